"""Tables, figures and page of a study from the cells that are finished so far."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from transfergrid.commands.frozen import (
    freeze_cells,
    freeze_costs,
    freeze_ensembles,
    freeze_maps,
    freeze_trials,
)
from transfergrid.planning.ends import weighings_directory
from transfergrid.planning.fingerprint import code_files
from transfergrid.planning.paths import activations_directory, cell_directory
from transfergrid.planning.planned import PlannedStudy
from transfergrid.planning.records import is_whole
from transfergrid.reporting.figures.data import read_figure_data
from transfergrid.reporting.figures.drawing import draw_all
from transfergrid.reporting.figures.files import write_drawn
from transfergrid.reporting.page.material import read_report
from transfergrid.reporting.page.notes import Failed, Snapshot
from transfergrid.reporting.page.page import render
from transfergrid.reporting.tables.analysis import analyse
from transfergrid.reporting.tables.stage_files import seal_stage
from transfergrid.runtime.atomic import write_text
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import canonical_json
from transfergrid.runtime.heartbeat import heartbeat

VIEW = ".view"
"""Folder of the view inside a snapshot in progress."""


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
    targets, anew = _freeze(study, scored, results, view)
    snapshot = replace(snapshot, unfinished={**snapshot.unfinished, **anew})
    maps = freeze_maps(study, targets, results, view)
    made = view / study.name
    for stage in study.stages:
        content = _content(study, stage.name, maps, view)
        if stage.run and content.get(stage.asked_by, True):
            analyse(stage.name, content, view, workers)
    with heartbeat("drawing figures and writing the page"):
        data = read_figure_data(_content(study, "figures", maps, view), view)
        write_drawn(made, draw_all(data))
        page = render(
            read_report(_content(study, "report", maps, view), view, code_files(), snapshot)
        )
    write_text(made / "report.html", page)
    seal_stage(made, "report", ["report.html"])
    for name in ("tables", "figures", "receipts", "report.html"):
        (made / name).rename(folder / name)
    shutil.rmtree(view)
    return len(targets)


def _freeze(
    study: PlannedStudy, scored: list[str], results: Path, view: Path
) -> tuple[list[str], dict[str, Failed]]:
    """Hold on to what the finished cells have made; return these targets, and those left out.

    Raises:
        UserError: No target is finished.
    """
    frozen = set(freeze_cells(scored, results, view))
    waiting = {
        cell
        for cell, outlines in study.outlined.items()
        if cell in frozen and not is_whole(weighings_directory(outlines, results))
    }
    frozen -= waiting
    targets = [cell.name for cell in study.targets if cell.name in frozen]
    if not targets:
        raise UserError(
            f"the finished cells of study '{study.name}' are all being redone, or their masks are "
            "yet to be compared; take the snapshot once the first one is finished."
        )
    anew = {
        c: Failed(c, "missing", "its masks are to be compared" if c in waiting else "being redone")
        for c in scored
        if c not in frozen
    }
    freeze_trials((cell.name for cell in study.trials), results, view)
    freeze_ensembles(study, targets, results, view)
    freeze_costs(study.name, results, view)
    return targets, anew


def _content(study: PlannedStudy, stage: str, maps: Sequence[str], view: Path) -> dict[str, Any]:
    """Return what the run would tell a stage's program, except for what is not there."""
    # By way of JSON, as there, so that a whole snapshot is the run's report.
    content: dict[str, Any] = json.loads(canonical_json(study.content(stage)))
    if "states" in content:
        states = content["states"]
        content["states"] = [s for s in states if is_whole(activations_directory(s["id"], view))]
    for key in ("drifts", "filters", "resets", "externals"):
        if key in content:
            made = [one for one in content[key] if is_whole(weighings_directory(one["id"], view))]
            content[key] = made
    if "compared" in content:
        compared = content["compared"].items()
        content["compared"] = {
            c: drawn for c, drawn in compared if cell_directory(c, view).is_dir()
        }
    return {**content, "cams": list(maps)} if "cams" in content else content
