"""The parts of an archive: a study's numbers, without films and under new names."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from transfergrid.catalog.figures import FIGURES
from transfergrid.catalog.tables import ANALYSES
from transfergrid.commands.archiving.ids import KINDS, Names
from transfergrid.data.admission import read_origin
from transfergrid.data.phantom import NOTE as DRAWN
from transfergrid.evaluation.ensemble import read_ensemble, write_ensemble
from transfergrid.evaluation.ensembles import Ensembles
from transfergrid.evaluation.external_files import read_external
from transfergrid.evaluation.scores import Scores, read_cell_scores, write_scores
from transfergrid.planning.cells import Cell
from transfergrid.planning.external import EXTERNAL
from transfergrid.planning.fingerprint import code_files
from transfergrid.planning.paths import cache_directory, cell_directory, origin_file
from transfergrid.planning.planned import PlannedStudy
from transfergrid.planning.records import KEPT, RECORD, SPEC, read_kept, read_train
from transfergrid.planning.shards import SPLITS
from transfergrid.reporting.figures.files import Drawn, read_drawn
from transfergrid.reporting.page.material import read_report
from transfergrid.reporting.page.page import render
from transfergrid.reporting.tables.stage_files import read_made
from transfergrid.runtime.atomic import write_bytes, write_json, write_text
from transfergrid.runtime.hashing import canonical_json
from transfergrid.runtime.progress import progress

CARD = "card.json"
_UNKNOWN = re.compile(
    r"Patients are unknown: each [a-z ]+ counts as its own patient, so intervals may be too narrow "
    r"and a patient may be in two splits\."
)
_PICTURE = re.compile(r"data:image/(?!svg)[^\"'()\s]*")
"""A picture of pixels inside a page or figure."""
DECLARED = {figure.name: figure for figure in FIGURES}


def copy_tables(study: PlannedStudy, results: Path, folder: Path) -> list[str]:
    """Copy a study's tables as they are; return their names.

    Raises:
        UserError: A table is not what was written.
    """
    names = [table.name for stage in ANALYSES if study.has(stage) for table in stage.tables]
    for name in names:
        file = f"tables/{name}.csv"
        write_bytes(folder / file, read_made(results / study.name, file))
    return names


def copy_page(
    study: PlannedStudy, results: Path, folder: Path, names: Mapping[str, Names]
) -> list[str]:
    """Write the figures and the page without what shows or names films.

    Returns:
        The figures that were left out: those of films, and where names are hidden the study's own,
        whose code is handed names.

    Raises:
        UserError: A table or figure is not what was written.
    """
    hidden = {name for name, own in names.items() if not own.told}
    drawn = read_drawn(results / study.name)
    kept = [one for one in drawn if is_open(one, bool(hidden))]
    for one in kept:
        write_text(one.shown.file(folder), one.svg)
    content = json.loads(canonical_json(study.content("report")))
    report = read_report(content, results, code_files())
    report = replace(
        report,
        figures=kept,
        maps={},
        pictures=(),
        mistakes=(),
        cards={
            name: without_remarks(card) if name in hidden else card
            for name, card in report.cards.items()
        },
        records={name: replace(record, log="") for name, record in report.records.items()},
    )
    pictures = {picture for one in kept for picture in _PICTURE.findall(one.svg)}
    write_text(folder / "report.html", without_pictures(render(report), pictures))
    return [one.shown.name for one in drawn if one not in kept]


def is_open(drawn: Drawn, hidden: bool) -> bool:
    """Tell whether a figure shows no film, and names none that is hidden."""
    declared = DECLARED.get(drawn.shown.name)
    if declared is not None:
        return not declared.shows_films
    return not hidden and not _PICTURE.search(drawn.svg)


def without_pictures(page: str, allowed: Collection[str] = ()) -> str:
    """Return a page in whose other pictures, wherever they stood, an address leads nowhere."""
    return _PICTURE.sub(lambda found: found[0] if found[0] in allowed else "data:,", page)


def copy_cells(
    cells: Sequence[Cell], results: Path, folder: Path, names: Mapping[str, Names]
) -> None:
    """Write each cell's specification, records and scores; films and patients have new names.

    Raises:
        UserError: A file is not what was written.
    """
    for cell in progress(cells, len(cells), "copying cells"):
        source, target = cell_directory(cell.name, results), folder / "cells" / cell.name
        own = names[cell.point.dataset]
        copy_kept(source, target, own.told)
        write_json(target / RECORD, read_train(source))
        for split in SPLITS:
            scores = read_cell_scores(source, split)
            _write_scores(target / "scores" / f"{split}.npz", scores, own)


def copy_external(
    study: PlannedStudy, results: Path, folder: Path, names: Mapping[str, Names]
) -> None:
    """Write what cells score on films of other data sets, which have new names.

    Raises:
        UserError: A file is not what was written.
    """
    for one in progress(study.external, len(study.external), "copying external scores"):
        other = str(one.made_from["tested_on"])
        path = folder / EXTERNAL / other / f"{one.cell}.npz"
        _write_scores(path, read_external(one.id, results).scores, names[other])


def _write_scores(path: Path, scores: Scores, own: Names) -> None:
    renamed = replace(
        scores,
        image_id=own.of("image", scores.image_id),
        study_id=own.of("study", scores.study_id),
        patient_id=own.of("patient", scores.patient_id),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_scores(path, renamed)


def copy_kept(source: Path, target: Path, told: bool) -> None:
    """Copy a cell's specification and records; of hidden names without remarks that may have some.

    Raises:
        UserError: A file is not what was written.
    """
    for name in (SPEC, *KEPT):
        data = read_kept(source, name)
        if name == CARD and not told:
            write_json(target / name, without_remarks(json.loads(data)))
        else:
            write_bytes(target / name, data)


def without_remarks(card: Mapping[str, Any]) -> dict[str, Any]:
    """Return a card whose notes name no film: only sentences that are always the same are left."""
    notes = [str(note) for note in card.get("notes", ())]
    kept = [note for note in notes if note == DRAWN or _UNKNOWN.fullmatch(note)]
    if lost := len(notes) - len(kept):
        kept.append(
            f"Remarks on the images ({lost}) are left out of the archive, because they may name "
            "films or patients."
        )
    return {**card, "notes": kept}


def copy_ensembles(
    study: PlannedStudy, results: Path, folder: Path, names: Mapping[str, Names]
) -> None:
    """Write the ensembles of a study's grid; examinations and patients have new names.

    Raises:
        UserError: A file is not what was written.
    """
    made = Ensembles(results, study.name, study.selections, "")
    for cell in progress(study.targets, len(study.targets), "copying ensembles"):
        own = names[cell.point.dataset]
        for selection in study.selections:
            for split in SPLITS:
                table = read_ensemble(made.file(cell.name, selection, split))
                renamed = replace(
                    table,
                    study_id=own.of("study", table.study_id),
                    patient_id=own.of("patient", table.patient_id),
                )
                path = folder / "ensembles" / cell.name / selection / f"{split}.parquet"
                path.parent.mkdir(parents=True, exist_ok=True)
                write_ensemble(path, renamed)


def write_splits(
    study: PlannedStudy, results: Path, folder: Path, names: Mapping[str, Names]
) -> list[str]:
    """Write which film is in which split or part, with the SHA-256 of its file.

    Whoever has the films finds each by that hash; it tells nothing to anybody else.

    Returns:
        Data sets whose cache was removed, so that their splits are not known.
    """
    lost = []
    for name, dataset_id in sets_of(study).items():
        index = cache_directory(dataset_id, results) / "index.parquet"
        if not index.is_file():
            lost.append(name)
            continue
        rows = pq.read_table(index).to_pylist()
        digests = _digests(origin_file(dataset_id, results), rows)
        path = folder / "splits" / f"{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        own = names[name]
        ids = [own.of(kind, (row[f"{kind}_id"] for row in rows)) for kind in KINDS]
        with open(path, "w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            head = ["image_id", "study_id", "patient_id", "split", "sha256"]
            folded = "valid" in rows[0]
            table.writerow([*head, *(["validated_by_folds"] if folded else [])])
            for row, digest, *own_ids in zip(rows, digests, *ids, strict=True):
                folds = [" ".join(map(str, row["valid"]))] if folded else []
                table.writerow([*own_ids, row["split"], digest, *folds])
    return lost


def _digests(path: Path, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the SHA-256 of each film of an index; empty where there is no record of them."""
    origin = read_origin(path)
    if origin is None or len(origin.digests) != len(rows):
        return [""] * len(rows)
    by_part: dict[str, list[str]] = {}
    for part, digest in zip(origin.parts, origin.digests, strict=True):
        by_part.setdefault(part, []).append(digest.hex())
    taken = {part: iter(digests) for part, digests in by_part.items()}
    return [next(taken.get(row["split"], iter(())), "") for row in rows]


def names_of(study: PlannedStudy, told: Iterable[str]) -> dict[str, Names]:
    """Return the names of each data set of a study; those of some may be told."""
    open_sets = set(told)
    return {name: Names(name in open_sets) for name in sets_of(study)}


def sets_of(study: PlannedStudy) -> dict[str, str]:
    """Return the data sets whose films a study's networks have scored, each with its cache."""
    own = {cell.point.dataset: cell.dataset_id for cell in study.scored}
    return own | {
        str(one.made_from["tested_on"]): str(one.made_from["dataset"]) for one in study.external
    }
