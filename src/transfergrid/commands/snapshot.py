"""`transfergrid snapshot`: tables and report from the cells that are finished so far."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

from transfergrid.commands.live import REST, CellLive, Cells, Told
from transfergrid.commands.options import add_study_arguments, in_directory, plan_of
from transfergrid.planning.paths import RESULTS
from transfergrid.planning.planned import PlannedStudy
from transfergrid.planning.unchanged import hold_content
from transfergrid.reporting.page.notes import Failed, Snapshot
from transfergrid.runtime.atomic import replacing_directory
from transfergrid.runtime.errors import UserError

FOLDER = "snapshot"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommand's options."""
    add_study_arguments(parser)
    parser.add_argument(
        "--threads", type=int, default=1, metavar="N", help="cells read at the same time [1]"
    )


def run(arguments: argparse.Namespace) -> int:
    """Take a snapshot of each study; 1 if one of them has no finished cell yet.

    Raises:
        UserError: A study that cannot be planned, or a file that breaks its contract.
    """
    if arguments.threads < 1:
        raise UserError(f"--threads is {arguments.threads}; give a whole number, at least 1.")
    with in_directory(arguments.directory):
        plan = plan_of(arguments)
        os.nice(10)  # the jobs of a run come first
        done = [report_snapshot(study, arguments.threads) for study in plan.studies.values()]
    return 0 if all(done) else 1


def report_snapshot(study: PlannedStudy, workers: int) -> bool:
    """Take a snapshot of one study and say what is in it; False if there is nothing to show yet."""
    live = Cells([cell.name for cell in study.scored]).look()
    targets = [live[cell.name] for cell in study.targets]
    others = _counts(cell for cell in targets if cell.state not in REST)
    if not any(cell.state in REST for cell in targets):
        print(
            f"error: study '{study.name}' has no finished cell yet ({others}); take the snapshot "
            "once the first one is scored.",
            file=sys.stderr,
        )
        return False
    count = take_snapshot(study, live, workers=workers)
    rest = f" ({others})" if others else ""
    place = RESULTS / study.name / FOLDER / "report.html"
    print(f"{place}: {count} of {len(targets)} cells{rest}")
    return True


def _counts(cells: Iterable[CellLive]) -> str:
    return ", ".join(
        f"{count} {word}" for word, count in Counter(status_of(cell) for cell in cells).items()
    )


def take_snapshot(
    study: PlannedStudy, live: Mapping[str, CellLive], results: Path = RESULTS, workers: int = 1
) -> int:
    """Replace a study's snapshot, all at once.

    Args:
        study: The study.
        live: Where each of its cells that are scored stands.
        results: Root of all outputs.
        workers: Processes to use when there are many cells.

    Returns:
        How many targets have a result.

    Raises:
        UserError: No target is finished any more, a file of a cell breaks its contract, or
            another snapshot came in between.
    """
    for stage, (_, content) in study.stamps.items():
        hold_content(stage, content)
    # Seconds of imports, not needed if no cell is finished or the study has a mistake.
    from transfergrid.commands.compose import compose

    scored = [cell.name for cell in study.scored if live[cell.name].state in REST]
    unfinished = {
        name: Failed(name, status_of(cell), standing(cell))
        for name, cell in live.items()
        if cell.state not in REST
    }
    when = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S UTC%z")
    folder = results / study.name / FOLDER
    try:
        with replacing_directory(folder) as made:
            return compose(study, scored, Snapshot(when, unfinished), results, made, workers)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        raise UserError(
            f"another snapshot of study '{study.name}' was put into {folder} at the same moment; "
            "that one was kept."
        ) from None


def status_of(cell: CellLive) -> str:
    """Return the page's word for where a cell stands."""
    if cell.state == "trained":
        diverged = cell.told is not None and cell.told.ended == "diverged"
        return "diverged" if diverged else "not scored yet"
    return cell.state


def standing(cell: CellLive) -> str:
    """Say how far a cell without a result has come, or why it went no further."""
    told = cell.told
    if cell.state == "failed":
        return cell.reason
    if status_of(cell) == "diverged":
        return "its training diverged; the scores do not record that yet"
    if cell.state == "trained":
        return "its checkpoints are to be scored"
    if told is None or cell.state == "missing":
        return "not begun"
    if cell.state == "stopped":
        return f"ended before its time{_steps(told)}; the next run goes on"
    stage = "being scored" if told.stage == "evaluate" else "in training"
    return told.waiting or f"{stage}{_steps(told)}"


def _steps(told: Told) -> str:
    return f", step {told.step} of {told.steps}" if told.step is not None else ""
