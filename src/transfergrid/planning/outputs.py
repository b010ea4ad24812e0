"""Every file of a finished run: the one list for ``rule all``, `plan`, `doctor --verify` and tests.

Paths are relative to the folder of results.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from transfergrid.catalog.records import Stage
from transfergrid.catalog.stages import STAGE
from transfergrid.planning.cells import Cell
from transfergrid.planning.plan import Plan
from transfergrid.planning.planned import PlannedStudy
from transfergrid.planning.records import AHEAD_LOCK, FINISHED, KEPT, RECORD, SCORED, SPEC, TRAINED
from transfergrid.planning.shards import SPLITS
from transfergrid.runtime.errors import UserError, listed
from transfergrid.runtime.sealed import read_sealed

SCORES = (SCORED, "scores/valid.npz", "scores/test.npz")
"""The files that scoring a cell leaves."""

EXPENDABLE = (
    r"cache/.*",
    r"weights/.*",
    r"features/.*",
    r"activations/.*",
    r"weighings/.*",
    r"origins/.*",
    r"cells/[^/]+/(resume\.pt|finished\.json|ahead/.*)",
    r"cells/[^/]+/receipts/train\.json",
    r"cells/[^/]+/checkpoints/.*",
    r".*\.lock",
    r"(.*/)?logs/.*",
    r"[^/]+/snapshot/.*",
    r"index\.html",
)
"""What may be deleted: it is made again when needed, and nothing is trained again because of it.

Caches, the records of their images, initial weights, features, activations, measurements of
weights, the states of trainings that were stopped or had ended, training receipts and checkpoints;
and what is not a result: locks, logs, snapshots, the index of all studies.
"""


@dataclass(frozen=True)
class Made:
    """The files of one job.

    Attributes:
        rule: The rule that makes them.
        about: The cell, study or tuning.
        mark: The file that shows that the job has ended, or None.
        others: Files that are requested only if they were lost: requesting all would take twice as
            long.
        after: If given, the job only runs to restore what was lost after this file was made.
        implied_by: If given, later jobs lead Snakemake to the mark, unless one of these files is
            there without it: only then is it requested.
    """

    rule: str
    about: str
    mark: str | None
    others: tuple[str, ...] = ()
    after: str | None = None
    implied_by: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """All of them."""
        return (*([self.mark] if self.mark else []), *self.others)


def made_files(plan: Plan, results: Path) -> Iterator[Made]:
    """Yield what every job of a finished run has made.

    Args:
        plan: The plan.
        results: The folder of results, which records which figures a study has.
    """
    for stamp in plan.stamps:
        yield Made("stamp", stamp, f"stamps/{stamp}")
    readers = _readers(plan)
    for cell in plan.cells.values():
        yield from of_cell(cell, readers.get(cell.name, ()))
    for tuning_id in plan.tunings:
        yield Made("tune", tuning_id, f"tuning/{tuning_id}/tuning.json")
    for study in plan.studies.values():
        yield from of_study(study, results)


def of_cell(cell: Cell, readers: Sequence[str] = ()) -> Iterator[Made]:
    """Yield what the jobs of one cell make, in any study.

    Args:
        cell: The cell.
        readers: The marks of the jobs that read its scores.
    """
    folder = f"cells/{cell.name}"
    record, scored = f"{folder}/{RECORD}", f"{folder}/{SCORED}"
    yield Made("spec", cell.name, f"{folder}/{SPEC}", implied_by=(record,))
    read = () if cell.trial else (scored, f"{folder}/{TRAINED}")
    yield Made("train", cell.name, record, implied_by=read)
    for name in KEPT:
        yield Made("restore", cell.name, None, (f"{folder}/{name}",), after=record)
    if not cell.trial:
        scores = tuple(f"{folder}/{name}" for name in SCORES if name != SCORED)
        yield Made("evaluate", cell.name, scored, scores, implied_by=tuple(readers))


def _readers(plan: Plan) -> dict[str, list[str]]:
    """Return the marks of the jobs that read each cell's scores."""
    found: dict[str, list[str]] = {}
    for study in plan.studies.values():
        for shard, cells in study.shards.items():
            for cell in cells:
                found.setdefault(cell, []).append(shard_mark(study, shard))
        for source in study.sources:
            found.setdefault(source.name, []).append(mark_of(study.name, STAGE["gather"]))
    return found


def of_study(study: PlannedStudy, results: Path) -> Iterator[Made]:
    """Yield what the jobs of one study make."""
    for stage in study.stages:
        if stage.per == "shard":
            yield from _of_shards(study, results)
        elif stage.per == "cell":
            for cell in study.cam_cells:
                yield Made(stage.rule_name, study.name, map_of(study.name, cell.name))
        elif stage.per == "figure":
            drawn = mark_of(study.name, STAGE["figures"])
            for name in drawn_figures(study, results):
                yield Made(stage.rule_name, study.name, None, (name,), after=drawn)
        else:
            mark = mark_of(study.name, stage)
            others = tuple(name for name in files_of(study.name, stage) if name != mark)
            yield Made(stage.rule_name, study.name, mark, others)


def _of_shards(study: PlannedStudy, results: Path) -> Iterator[Made]:
    """Yield a study's parts with their ensembles; those that are planned anew are not lost."""
    planned = (results / "stamps" / study.stamps["ensembles"][0]).exists()
    for shard, cells in study.shards.items():
        files = (
            f"{study.name}/ensemble/{cell}/{selection}/{split}.parquet"
            for cell in (cells if planned else ())
            for selection in study.selections
            for split in SPLITS
        )
        yield Made("ensembles", study.name, shard_mark(study, shard), tuple(files))


def drawn_figures(study: PlannedStudy, results: Path) -> list[str]:
    """Return a study's figures, according to the receipt of the stage that drew them.

    None if that stage is planned anew: what it will draw is not known yet.
    """
    stamp, _ = study.stamps["figures"]
    if not (results / "stamps" / stamp).exists():
        return []
    try:
        names = sorted(read_sealed(results / mark_of(study.name, STAGE["figures"]))["files"])
    except (OSError, UserError, KeyError):
        return []
    return [f"{study.name}/{name}" for name in names]


def _named(pattern: str, study: str) -> str:
    return pattern.replace("{study}", study)


def mark_of(study: str, stage: Stage) -> str:
    """Return the file that shows that a study's stage has ended."""
    return _named(stage.mark, study)


def files_of(study: str, stage: Stage) -> list[str]:
    """Return everything that a stage of a whole study makes and declares."""
    return [_named(file, study) for file in stage.files]


def inputs_of(study: PlannedStudy, stage: Stage) -> list[str]:
    """Return what a stage of a whole study waits for, except its stamp."""
    found: list[str] = []
    reads = [STAGE[name] for name in stage.reads if study.has(STAGE[name])]
    in_shards = any(read.per == "shard" for read in reads)
    for read in reads:
        if read.per == "figure":
            continue  # which of them were lost, and are drawn again, `lost_figures` tells
        if read.per in ("state", "weighing"):
            found += [one.mark for one in study.stored if one.stage == read.name]
        elif read.per == "shard":
            found += [shard_mark(study, shard) for shard in study.shards]
        elif read.of_study and read.per == "cell":
            found += [map_of(study.name, cell.name) for cell in study.cam_cells]
        elif read.per == "cell":
            # Ensembles were made of the scores of targets. Learning rates were chosen before the
            # cells that use them were trained.
            cells = study.sources if in_shards else study.scored
            found += [read.mark.replace("{cell}", cell.name) for cell in cells]
        else:
            found.append(mark_of(study.name, read))
    return found


def shard_mark(study: PlannedStudy, shard: str) -> str:
    """Return the receipt of the ensembles of a part of a study's cells."""
    return mark_of(study.name, STAGE["ensembles"]).replace("{shard}", shard)


def shard_sources(study: PlannedStudy, shard: str) -> list[str]:
    """Return what the ensembles of a part of a study are made of, except its stamp.

    Raises:
        KeyError: The study has no such part.
    """
    cells = study.shards[shard]
    stored = {one.id: one.mark for one in study.weighings}
    compared = [stored[study.outlined[cell]] for cell in cells if cell in study.outlined]
    return [*scores_of(cells), *compared]


def scores_of(cells: Iterable[str]) -> list[str]:
    """Return the files that show that cells are scored."""
    return [f"cells/{cell}/{SCORED}" for cell in cells]


def map_of(study: str, cell: str) -> str:
    """Return the file of a cell's class activation maps in a study."""
    return _named(STAGE["cams"].mark, study).replace("{cell}", cell)


@dataclass(frozen=True)
class Files:
    """What a run requests from Snakemake.

    Attributes:
        wanted: Files that the run requests, so that none is overlooked without metadata.
        lost: Those that are gone although their job had made them, by what makes them.
    """

    wanted: tuple[str, ...]
    lost: tuple[tuple[str, Made], ...]


def wanted_files(plan: Plan, results: Path) -> Files:
    """Look at the disk, and return what a run requests from Snakemake."""
    found: list[str] = []
    lost: list[tuple[str, Made]] = []
    # Text, not Path: this is checked for tens of thousands of files at every parse of the workflow.
    root, exists = f"{results}/", os.path.exists
    for made in made_files(plan, results):
        mark = made.mark
        if mark is not None:
            missing = not exists(root + mark)
            if not made.implied_by or (
                missing and any(exists(root + name) for name in made.implied_by)
            ):
                found.append(mark)
            before = _before(made)
            if missing and before and exists(root + before) and not _is_ahead(made, root):
                lost.append((mark, made))
        # A job that has made nothing yet makes everything: one look is enough.
        done = made.after or mark
        if made.others and done and exists(root + done):
            lost += [(name, made) for name in made.others if not exists(root + name)]
    asked = dict.fromkeys([*found, *(name for name, _ in lost)])
    return Files(tuple(asked), tuple(lost))


def lost_figures(files: Files, study: str) -> list[str]:
    """Return the figures of a study that were lost: its page waits until they are there again."""
    rule = STAGE["figure"].rule_name
    return [name for name, made in files.lost if (made.rule, made.about) == (rule, study)]


@dataclass(frozen=True)
class LostPart:
    """A part of a study that has lost ensembles.

    Attributes:
        study: The study.
        shard: The part.
        mark: Its receipt.
        lost: The ensembles.
    """

    study: str
    shard: str
    mark: str
    lost: tuple[str, ...]

    @property
    def rule(self) -> str:
        """The rule that makes them again."""
        return f"ensembles_{self.study}_{self.shard}"


def lost_parts(files: Files) -> list[LostPart]:
    """Return the parts of studies that have lost ensembles."""
    found: dict[tuple[str, str], list[str]] = {}
    for name, made in files.lost:
        if made.rule == "ensembles" and made.mark:
            found.setdefault((made.about, made.mark), []).append(name)
    return [
        LostPart(study, Path(mark).stem, mark, tuple(names))
        for (study, mark), names in found.items()
    ]


_TRAINED_BY = {"spec": RECORD, "train": FINISHED}
"""A file in a cell's folder that shows that the rule had run."""


def _before(made: Made) -> str | None:
    name = _TRAINED_BY.get(made.rule)
    return name and f"cells/{made.about}/{name}"


def _is_ahead(made: Made, root: str) -> bool:
    """Tell whether another cell's job has trained a cell whose own job is still to come."""
    return made.rule == "train" and os.path.exists(f"{root}cells/{made.about}/{AHEAD_LOCK}")


MENDS = {
    "restore": "restored from the copy that training left",
    "evaluate": "scored again",
    "ensembles": "made again from the scores",
    "figure": "drawn again",
}
"""What happens to a lost file, by rule; those of later stages are simply made again."""


def told_lost(lost: Sequence[tuple[str, Made]], results: Path) -> list[str]:
    """Say which files were lost and what a run does about it, one sentence for each remedy."""
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
                mend = f"made again, without training, if {FINISHED} and the weights are intact"
        groups.setdefault(mend, []).append(name)
    return [f"lost and {mend}: {listed(names, 3)}" for mend, names in groups.items()]


@cache
def _expendable() -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in EXPENDABLE))


def is_expendable(name: str) -> bool:
    """Tell whether a file under results, named relative to it, may be deleted."""
    return _expendable().fullmatch(name) is not None
