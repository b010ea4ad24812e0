"""Every file of a finished run: the one list of ``rule all``, `plan`, `doctor --verify` and tests.

Paths are relative to the folder of results.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from transfergrid.planning.cells import Cell
from transfergrid.planning.fingerprint import RULES_OF
from transfergrid.planning.plan import ANSWERS, FIGURES, GATHERED, Plan, PlannedStudy
from transfergrid.planning.records import FINISHED, KEPT, RECORD, SCORED, SPEC, TRAINED
from transfergrid.runtime.errors import listed

SCORES = (SCORED, "scores/valid.npz", "scores/test.npz")
"""What scoring a cell leaves."""
ENSEMBLE = ("test.parquet", "valid.parquet")

EXPENDABLE = (
    r"cache/.*",
    r"weights/.*",
    r"origins/.*",
    r"cells/[^/]+/(resume\.pt|finished\.json|ahead/.*)",
    r"cells/[^/]+/receipts/train\.json",
    r"cells/[^/]+/checkpoints/.*",
    r".*\.lock",
    r"(.*/)?logs/.*",
    r"[^/]+/snapshot/.*",
)
"""What may go: it is made again when it is needed, and nothing is trained again because of it.

Caches, the records of their images, initial weights, the states of trainings that were stopped or
had ended, receipts of training and checkpoints; and what is no result: locks, logs, snapshots.
"""


def receipt_of(stage: str) -> str:
    """Return where a stage that gathers a study leaves the SHA-256 of what it made there."""
    return f"receipts/{stage}.json"


_GATHERING = {
    "tables": tuple(f"tables/{name}.csv" for name in GATHERED),
    "statistics": tuple(f"tables/{name}.csv" for name in ANSWERS),
    "figures": tuple(f"figures/{name}.svg" for name in FIGURES),
    "panels": ("tables/cams.csv",),
    "report": ("report.html",),
}
STAGE_FILES = {stage: (*files, receipt_of(stage)) for stage, files in _GATHERING.items()}
"""What the stages that gather a study make in the study's folder, each its receipt last."""


@dataclass(frozen=True)
class Made:
    """The files of one job.

    Attributes:
        rule: The rule that makes them.
        about: The cell, study or tuning.
        files: All of them. Snakemake is asked for the first one always, and for another one only
            where it was lost: to ask for all would take twice as long.
        after: Where given, the job runs only to bring back what was lost after this file was made.
    """

    rule: str
    about: str
    files: tuple[str, ...]
    after: str | None = None


def made_files(plan: Plan) -> Iterator[Made]:
    """Yield what every job of a finished run has made."""
    for stamp in plan.stamps:
        yield Made("stamp", stamp, (f"stamps/{stamp}",))
    for cell in plan.cells.values():
        yield from of_cell(cell)
    for tuning_id in plan.tunings:
        yield Made("tune", tuning_id, (f"tuning/{tuning_id}/tuning.json",))
    for study in plan.studies.values():
        yield from of_study(study)


def of_cell(cell: Cell) -> Iterator[Made]:
    """Yield what the jobs of one cell make, whatever the study."""
    folder = f"cells/{cell.name}"
    yield Made("spec", cell.name, (f"{folder}/{SPEC}",))
    yield Made("train", cell.name, (f"{folder}/{RECORD}",))
    for name in KEPT:
        yield Made("restore", cell.name, (f"{folder}/{name}",), after=f"{folder}/{RECORD}")
    if not cell.trial:
        yield Made("evaluate", cell.name, tuple(f"{folder}/{name}" for name in SCORES))


def of_study(study: PlannedStudy) -> Iterator[Made]:
    """Yield what the jobs of one study make."""
    for cell in study.targets:
        for selection in study.selections:
            yield ensemble_of(study.name, cell.name, selection)
    for cell in study.cam_cells:
        yield Made("cams", study.name, (f"{study.name}/cams/{cell.name}.npz",))
    for stage in gathering(study):
        yield Made(RULES_OF.get(stage, stage), study.name, stage_files(study.name, stage))


def gathering(study: PlannedStudy) -> tuple[str, ...]:
    """Return the stages that gather a study, each after those that it follows."""
    return tuple(stage for stage in STAGE_FILES if stage != "panels" or study.cam_cells)


def stage_files(study: str, stage: str) -> tuple[str, ...]:
    """Return what a stage that gathers a study makes."""
    return tuple(f"{study}/{name}" for name in STAGE_FILES[stage])


def ensemble_of(study: str, cell: str, selection: str) -> Made:
    """Return what makes and holds a cell's ensemble under one selection rule."""
    folder = f"{study}/ensemble/{cell}/{selection}"
    return Made("ensemble", study, tuple(f"{folder}/{name}" for name in ENSEMBLE))


@dataclass(frozen=True)
class Files:
    """What a run asks Snakemake for.

    Attributes:
        wanted: Files that the run asks for, so that none is missed without metadata.
        lost: Those of them that are gone although their job had made them, by what makes them.
    """

    wanted: tuple[str, ...]
    lost: tuple[tuple[str, Made], ...]


def wanted_files(plan: Plan, results: Path) -> Files:
    """Look at the disk, and return what a run asks Snakemake for."""
    found: list[str] = []
    lost: list[tuple[str, Made]] = []
    # A path of text: this is asked of tens of thousands of files whenever the workflow is parsed.
    root, exists = f"{results}/", os.path.exists
    for made in made_files(plan):
        first = made.files[0]
        if made.after is None:
            found.append(first)
            others = made.files[1:]
            mark = _TRAINED_BY.get(made.rule)
            if mark and not exists(root + first) and exists(f"{root}cells/{made.about}/{mark}"):
                lost.append((first, made))
        else:
            others = made.files
        # A job that has made nothing yet makes all: one look is enough.
        if others and exists(root + (made.after or first)):
            lost += [(name, made) for name in others if not exists(root + name)]
    asked = dict.fromkeys([*found, *(name for name, _ in lost)])
    return Files(tuple(asked), tuple(lost))


_TRAINED_BY = {"spec": RECORD, "train": FINISHED}
"""A file in a cell's folder that tells that the rule had run."""

MENDS = {
    "restore": "brought back from the copy that training left",
    "evaluate": "scored again",
    "ensemble": "made again from the scores",
}
"""What becomes of a lost file, by rule; those of later stages are simply made again."""


def told_lost(lost: Sequence[tuple[str, Made]], results: Path) -> list[str]:
    """Say which files were lost and what a run does about it, in a sentence for each mend."""
    groups: dict[str, list[str]] = {}
    for name, made in lost:
        mend = MENDS.get(made.rule, "made again")
        if made.rule in ("evaluate", *_TRAINED_BY):
            folder = results / "cells" / made.about
            if not (folder / "checkpoints").exists():
                mend = "trained and scored again, because their weights were freed"
                if made.rule == "evaluate" and (folder / TRAINED).exists():
                    mend = (
                        f"not made again before you remove {folder / TRAINED}: the weights are gone"
                    )
            elif made.rule != "evaluate":
                mend = f"made again, without training, where {FINISHED} and the weights are whole"
        groups.setdefault(mend, []).append(name)
    return [f"lost and {mend}: {listed(names, 3)}" for mend, names in groups.items()]


@cache
def _expendable() -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in EXPENDABLE))


def is_expendable(name: str) -> bool:
    """Tell whether a file under results, named relative to it, may go."""
    return _expendable().fullmatch(name) is not None
