"""Tables, figures and page of a study from the cells that are finished so far."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from transfergrid.commands.frozen import freeze_cells, freeze_ensembles, freeze_maps, freeze_trials
from transfergrid.planning.plan import PlannedStudy
from transfergrid.reporting.figures.data import read_figure_data
from transfergrid.reporting.figures.drawing import draw_all
from transfergrid.reporting.figures.files import write_drawn
from transfergrid.reporting.page.notes import Failed, Snapshot
from transfergrid.reporting.page.page import read_report, render
from transfergrid.reporting.tables.files import write_table
from transfergrid.reporting.tables.gather import write_tables
from transfergrid.reporting.tables.pointing import write_cams
from transfergrid.reporting.tables.stage_files import seal_stage
from transfergrid.runtime.atomic import write_text
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import canonical_json
from transfergrid.runtime.heartbeat import heartbeat
from transfergrid.statistics.answers import answer

VIEW = ".view"
"""Folder of the view inside a snapshot that is being made."""
SHOWN = 5
"""Comparisons without their cells that are told one by one."""


def compose(
    study: PlannedStudy,
    scored: list[str],
    snapshot: Snapshot,
    results: Path,
    folder: Path,
    workers: int = 1,
) -> int:
    """Write tables/, figures/ and report.html of a study into a new folder.

    Args:
        study: The study.
        scored: Its cells that have been scored.
        snapshot: Where the others stand.
        results: Root of all outputs; read only.
        folder: An empty folder on the same file system.
        workers: Processes to use when there are many cells.

    Returns:
        How many targets have a result.

    Raises:
        UserError: None has, or a file of a cell breaks its contract.
    """
    view = folder / VIEW
    frozen = set(freeze_cells(scored, results, view))
    targets = [cell.name for cell in study.targets if cell.name in frozen]
    if not targets:
        raise UserError(
            f"the finished cells of study '{study.name}' are being made anew; take the snapshot "
            "when the first one is there again."
        )
    anew = {c: Failed(c, "missing", "being made anew") for c in scored if c not in frozen}
    snapshot = replace(snapshot, unfinished={**snapshot.unfinished, **anew})
    freeze_trials((cell.name for cell in study.trials), results, view)
    freeze_ensembles(study, targets, results, view)
    maps = freeze_maps(study, targets, results, view)
    # As the run's programs read it from a stamp, so that a whole snapshot is the run's report.
    content = json.loads(canonical_json(study.stamps["report"][1]))
    made = view / study.name
    _tables(content, frozen, view, made / "tables", workers)
    with heartbeat("drawing figures and writing the page"):
        mapped = {**content, "cams": maps}
        if maps:
            write_cams(mapped, made)
        write_drawn(made, draw_all(read_figure_data(mapped, view)))
        write_text(made / "report.html", render(read_report(content, view, snapshot)))
    seal_stage(made, "report")
    for name in ("tables", "figures", "receipts", "report.html"):
        (made / name).rename(folder / name)
    shutil.rmtree(view)
    return len(targets)


def _tables(
    content: dict[str, Any], frozen: set[str], view: Path, folder: Path, workers: int
) -> None:
    cells = write_tables(content, view, folder, workers)
    # A question is asked of the cells that are there.
    there = [entry for entry in content["cells"] if entry["cell"] in frozen]
    answers = answer({**content, "cells": there}, cells, view)
    skipped = answers.skipped
    for sentence in skipped[:SHOWN]:
        print(sentence, file=sys.stderr)
    if len(skipped) > SHOWN:
        print(f"and {len(skipped) - SHOWN} more comparisons lack cells", file=sys.stderr)
    for name, table in answers.tables.items():
        write_table(table, folder / f"{name}.csv")
    seal_stage(folder.parent, "statistics")
