"""`transfergrid watch`: running cells and the whole grid, live in the terminal."""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.live import Live

from transfergrid.commands.live import REST, Cells
from transfergrid.commands.options import add_study_arguments, in_directory, plan_of
from transfergrid.commands.steps import read_steps
from transfergrid.commands.time_left import Pace
from transfergrid.commands.watch_view import Frame, StudyFrame, lines
from transfergrid.planning.outputs import of_study
from transfergrid.planning.paths import RESULTS
from transfergrid.planning.plan import Plan
from transfergrid.planning.planned import PlannedStudy
from transfergrid.runtime.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommand's options."""
    add_study_arguments(parser)
    parser.add_argument(
        "--once", action="store_true", help="print one frame and end (the default in a pipe)"
    )
    parser.add_argument(
        "--interval", type=float, default=2.0, metavar="S", help="seconds between looks [2]"
    )


def run(arguments: argparse.Namespace) -> int:
    """Show frames until interrupted.

    Raises:
        UserError: A study that cannot be planned, or an interval out of range.
    """
    if not 0.1 <= arguments.interval <= 3600:
        raise UserError(f"--interval is {arguments.interval:g}; give seconds between 0.1 and 3600.")
    console = Console(highlight=False)
    with in_directory(arguments.directory):
        frames = watcher(plan_of(arguments))
        if arguments.once or not console.is_terminal:
            width = console.width if console.is_terminal else None
            console.print(lines(frames(), width, None, _ascii_only(console)), soft_wrap=True)
            return 0
        with contextlib.suppress(KeyboardInterrupt):
            _show(console, frames, arguments.interval)
    return 0


def watcher(plan: Plan, results: Path = RESULTS) -> Callable[[], Frame]:
    """Return a function that looks at a plan's cells and steps and returns a frame."""
    names = {name: [cell.name for cell in study.cells] for name, study in plan.studies.items()}
    trials = [name for name, cell in plan.cells.items() if cell.trial]
    cells, pace = Cells(plan.cells, results, trials), Pace(plan.cells, results)

    def look() -> Frame:
        now = time.time()
        if not results.is_dir():
            return Frame([], [], False, str(results.absolute()))
        live = cells.look(now)
        pace.learn(live.values())
        jobs = sum(cell.state == "running" for cell in live.values())
        studies = []
        for study, own in names.items():
            part = [live[name] for name in own]
            over = all(cell.state in REST for cell in part)
            later = _later(plan.studies[study], results) if over else 0
            studies.append(StudyFrame(study, part, pace.seconds_left(part, jobs), later))
        return Frame(studies, read_steps(plan, results, now), True, str(results))

    return look


def _later(study: PlannedStudy, results: Path) -> int:
    """Return how many jobs of a study beside its cells have not left their last file."""
    marks = (made.mark for made in of_study(study, results) if made.mark)
    return sum(not (results / mark).exists() for mark in marks)


def _show(console: Console, frames: Callable[[], Frame], interval: float) -> None:
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            size = console.size
            live.update(
                lines(frames(), size.width, size.height, _ascii_only(console)), refresh=True
            )
            time.sleep(interval)


def _ascii_only(console: Console) -> bool:
    return not console.encoding.lower().startswith("utf")
