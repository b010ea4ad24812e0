"""One frame of `transfergrid watch` as lines of text."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import OverflowMethod
from rich.text import Text

from transfergrid.commands.live import CellLive
from transfergrid.commands.steps import Step
from transfergrid.planning.cell_names import place_of

WIDEST = 100
"""Columns over which a frame spreads; text may be longer."""
SHOWN = 5
"""How many failed cells are named one by one."""
NUMBERS = "{step:>12}  {loss:<11}  {score:<11}  {speed:>11}  {left}"


@dataclass(frozen=True)
class StudyFrame:
    """What a frame says of one study.

    Attributes:
        name: Its name.
        cells: Its cells, sources too.
        seconds_left: Estimate until all are done, or None.
        later: Where all cells are done, the number of jobs to go that follow them: ensembles,
            tables, the page.
    """

    name: str
    cells: Sequence[CellLive]
    seconds_left: float | None
    later: int = 0


@dataclass(frozen=True)
class Frame:
    """What a frame shows.

    Attributes:
        studies: Each study of the run.
        steps: What runs or failed beside cells.
        begun: Whether there is a folder of results.
        results: Where that folder is or would be.
    """

    studies: Sequence[StudyFrame]
    steps: Sequence[Step]
    begun: bool
    results: str

    @property
    def cells(self) -> list[CellLive]:
        """All cells, shared ones once."""
        return list({cell.cell: cell for study in self.studies for cell in study.cells}.values())


def lines(
    frame: Frame, width: int | None = None, height: int | None = None, ascii_only: bool = False
) -> Text:
    """Return a frame as text.

    Args:
        frame: What to show.
        width: Columns, to which longer lines are cut, or None to cut nothing.
        height: Lines that there is room for, or None for all.
        ascii_only: Whether the terminal knows only ASCII.
    """
    if not frame.begun:
        return Text(f"No results yet: {frame.results} is made when snakemake begins.")
    spread = min(width or WIDEST, WIDEST)
    head = [line for study in frame.studies for line in _study(study, spread, ascii_only)]
    foot = [_step(step) for step in frame.steps] + _failed(frame.cells)
    running = sorted(
        (cell for cell in frame.cells if cell.state == "running"),
        key=lambda cell: (cell.told.began if cell.told else 0.0, cell.cell),
    )
    blocks = [_running(cell, spread, ascii_only) for cell in running]
    if not blocks and not any(not step.failed for step in frame.steps):
        blocks = [[Text(_idle(frame.cells), style="dim")]]
    blocks = _fitting(blocks, None if height is None else height - len(head) - len(foot) - 2)
    body = [line for block in blocks for line in block]
    whole = [line for part in (head, body, foot) if part for line in (*part, Text())][:-1]
    for line in whole:
        if width is not None:
            line.truncate(width, overflow=_overflow(ascii_only))
    return Text("\n").join(whole[:height])


def _overflow(ascii_only: bool) -> OverflowMethod:
    return "crop" if ascii_only else "ellipsis"


def _fitting(blocks: list[list[Text]], room: int | None) -> list[list[Text]]:
    """Return the blocks for which there is room, and a line that counts the others."""
    if room is None or sum(map(len, blocks)) <= room:
        return blocks
    shown, used = 0, 1
    while shown < len(blocks) and used + len(blocks[shown]) <= room:
        used += len(blocks[shown])
        shown += 1
    rest = Text(f"and {len(blocks) - shown} more running cells; --once lists them all", style="dim")
    return [*blocks[:shown], [rest]]


def _study(study: StudyFrame, width: int, ascii_only: bool) -> list[Text]:
    counts = Counter(cell.state for cell in study.cells)
    total = len(study.cells)
    done = counts["finished"] + counts["diverged"]
    words = (
        ("diverged", "diverged", "yellow"),
        ("failed", "failed", "bold red"),
        ("running", "running", "cyan"),
        ("stopped", "stopped", "yellow"),
        ("trained", "to be scored", ""),
        ("missing", "to go", ""),
    )
    parts = [
        Text(f"{counts[state]} {text}", style=style)
        for state, text, style in words
        if counts[state]
    ]
    rest = f"all cells done, {study.later} later job(s) to go" if study.later else "all done"
    head = Text.assemble((study.name, "bold"), "  ", Text(", ").join(parts) or rest)
    tail = f"  {done} of {total} cells done"
    if study.seconds_left is not None and done < total:
        tail += f", about {duration(study.seconds_left)} left"
    return [head, bar(done / max(total, 1), max(10, width - len(tail)), ascii_only, "green") + tail]


def bar(share: float, width: int, ascii_only: bool = False, style: str = "cyan") -> Text:
    """Return a bar of `width` columns, filled to `share`, in [0, 1]."""
    filled = math.floor(min(max(share, 0.0), 1.0) * width)
    full, empty = ("#", ".") if ascii_only else ("━", "─")
    return Text.assemble((full * filled, style), (empty * (width - filled), "bright_black"))


def duration(seconds: float) -> str:
    """Print a duration as ``35 s``, ``12 min``, ``2 h 05 min`` or ``3 d 04 h``."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{max(seconds, 0):.0f} s"
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60:02d} h"


def _running(cell: CellLive, width: int, ascii_only: bool) -> list[Text]:
    told = cell.told
    if told is None:
        return [Text(place_of(cell.cell))]
    stage = "scoring" if told.stage == "evaluate" else "training"
    where = f"{stage}, {told.device}" if told.device else stage
    if told.by:
        where += f", in the job of {place_of(told.by)}"
    if told.waiting:
        numbers = Text(told.waiting, style="yellow")
    elif told.step is None or not told.steps:
        numbers = Text("starting", style="dim")
    else:
        values = {
            "step": f"{told.step}/{told.steps}",
            "loss": "" if told.loss is None else f"loss {told.loss:.4f}",
            "score": "" if cell.score is None else f"{cell.score[0]} {cell.score[1]:.3f}",
            "speed": f"{told.images_per_second:.0f} img/s" if told.images_per_second else "",
            "left": "" if told.seconds_left is None else f"{duration(told.seconds_left)} left",
        }
        numbers = bar(told.step / told.steps, 10, ascii_only) + NUMBERS.format(**values).rstrip()
    name = Text(place_of(cell.cell), style="bold")
    name.truncate(max(20, width - len(where) - 2), overflow=_overflow(ascii_only), pad=True)
    return [Text.assemble(name, "  ", (where, "dim")), Text.assemble("  ", numbers)]


def _idle(cells: Sequence[CellLive]) -> str:
    if any(cell.state not in ("finished", "diverged") for cell in cells):
        return "No job is at work."
    return "Every cell is done and no job is at work."


def _step(step: Step) -> Text:
    style = "bold red" if step.failed else "cyan"
    return Text.assemble((step.name, style), "  ", step.line)


def _failed(cells: Sequence[CellLive]) -> list[Text]:
    failed = [cell for cell in cells if cell.state == "failed"]
    told: list[Text] = []
    for cell in failed[:SHOWN]:
        told.append(Text.assemble(("failed  ", "bold red"), place_of(cell.cell)))
        told.append(Text(f"  {cell.reason}"))
    if len(failed) > SHOWN:
        told.append(Text(f"and {len(failed) - SHOWN} more failed cells", style="bold red"))
    return told
