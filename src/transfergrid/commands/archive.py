"""`transfergrid archive`: a finished study as one folder or zip, as repositories take it."""

from __future__ import annotations

import argparse
import json
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from transfergrid.catalog.kinds import dataset_kind
from transfergrid.commands.archiving import citing, crate, croissant, licences, parts
from transfergrid.commands.archiving.declared import (
    check_declared,
    text_without_places,
    without_places,
)
from transfergrid.commands.archiving.ids import Guard, Names
from transfergrid.commands.archiving.ran import copy_code, ran
from transfergrid.commands.export import check_current, check_finished
from transfergrid.commands.options import add_study_arguments, in_directory, plan_of, word
from transfergrid.planning.paths import PROJECT, RESULTS
from transfergrid.planning.planned import PlannedStudy
from transfergrid.reporting.tables.files import read_table
from transfergrid.runtime.atomic import (
    replacing,
    replacing_directory,
    scratch_directory,
    write_json,
    write_text,
)
from transfergrid.runtime.errors import UserError, listed
from transfergrid.runtime.hashing import canonical_json
from transfergrid.runtime.heartbeat import heartbeat

FOLDER = "archive"
"""Folder of an archive in a study's folder."""
_NOBODY = "The TransferGrid contributors"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommand's options."""
    add_study_arguments(parser)
    parser.add_argument(
        "--output",
        type=lambda text: Path(text).absolute(),
        metavar="PATH",
        help="a folder, or a file that ends in .zip [results/STUDY/archive]",
    )
    parser.add_argument(
        "--release",
        nargs="+",
        type=word,
        default=[],
        metavar="CELL",
        help="cells whose weights go with it",
    )
    parser.add_argument(
        "--ids",
        nargs="+",
        type=word,
        default=[],
        metavar="DATASET",
        help="data sets whose films and patients keep their names [those of drawn films]",
    )
    parser.add_argument(
        "--creator",
        type=_creator,
        action="append",
        default=[],
        metavar="NAME",
        help="who made it, as 'Family, Given' or the name of a group; may be repeated",
    )
    parser.add_argument(
        "--licence",
        type=_licence,
        metavar="SPDX",
        help="licence of the results, such as CC-BY-4.0",
    )


def _creator(text: str) -> str:
    if not text.partition(",")[0].strip():
        raise argparse.ArgumentTypeError("no name; write 'Family, Given' or the name of a group")
    return text


def _licence(text: str) -> str:
    """Return an identifier of SPDX as it is written there; repositories take no other text."""
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    try:
        found = str(canonicalize_license_expression(text))
    except InvalidLicenseExpression:
        found = ""
    if not found or " " in found or found.startswith("LicenseRef-"):
        raise argparse.ArgumentTypeError(
            f"'{text}' is no identifier of spdx.org/licenses, such as CC-BY-4.0 or CC0-1.0"
        )
    return found


def run(arguments: argparse.Namespace) -> int:
    """Archive one study; say where.

    Raises:
        UserError: The study is not finished, a file is not what was written, or a name on the
            command line is none of the study's.
    """
    with in_directory(arguments.directory):
        plan = plan_of(arguments)
        studies = list(plan.studies.values())
        if len(studies) != 1:
            raise UserError(f"there are {len(studies)} studies; archive one at a time.")
        (study,) = studies
        check_finished(study, RESULTS)
        _check_names(study, arguments)
        check_current(plan, RESULTS)
        place: Path = arguments.output or RESULTS / study.name / FOLDER
        _check_place(place, bool(arguments.output))
        if place.suffix == ".zip":
            with scratch_directory(place) as folder:
                make(study, RESULTS, folder, arguments)
                _zip(folder, place)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            with replacing_directory(place) as folder:
                make(study, RESULTS, folder, arguments)
        print(place)
    return 0


def _check_names(study: PlannedStudy, arguments: argparse.Namespace) -> None:
    cells = [cell.name for cell in study.targets]
    for name in arguments.release:
        if name not in cells:
            raise UserError(
                f"--release names '{name}', which is no cell of study '{study.name}'s grid; there "
                f"are {listed(cells, 3)}."
            )
    sets = sorted(parts.sets_of(study))
    for name in arguments.ids:
        if name not in sets:
            raise UserError(f"--ids names '{name}', which is no data set here: {listed(sets)}.")


def _check_place(place: Path, named: bool) -> None:
    """Refuse to replace what somebody else may have put there."""
    ours = place.suffix == ".zip" or (place / crate.FILE).is_file()
    if place.exists() and (named or not ours):
        raise UserError(f"{place} exists; remove it, or name another --output.")


def make(study: PlannedStudy, results: Path, folder: Path, arguments: argparse.Namespace) -> None:
    """Fill an empty folder with a study's archive.

    Raises:
        UserError: A file is not what was written.
    """
    names = parts.names_of(study, [*arguments.ids, *drawn_sets(study)])
    datasets = study.study.config["datasets"]
    check_declared(datasets, names)
    tables = parts.copy_tables(study, results, folder)
    parts.copy_cells(study.scored, results, folder, names)
    parts.copy_ensembles(study, results, folder, names)
    parts.copy_external(study, results, folder, names)
    unknown = parts.write_splits(study, results, folder, names)
    with heartbeat("writing the page"):
        left_out = parts.copy_page(study, results, folder, names)
    check_declared(datasets, names)  # now that they are known
    _copy_workflow(study, folder)
    _release(study, results, folder, arguments.release, names)
    Guard.of(names.values()).check(folder)
    if arguments.release or not all(one.told for one in names.values()):
        from transfergrid.commands.archiving.models import seal_again

        for cell in (*(folder / "cells").iterdir(), *(folder / "models").glob("*")):
            seal_again(cell)
    copy_code(folder / "workflow")  # last, because names in it are no film's
    about = _about(study, arguments)
    told = {name: one.told for name, one in names.items()}
    write_text(folder / "LICENCES.md", licences.licences_text(study, results, about.licence))
    write_text(
        folder / "README.md", citing.readme(about, told, left_out, unknown, arguments.release)
    )
    write_text(folder / "CITATION.cff", citing.citation(about))
    write_json(folder / ".zenodo.json", citing.zenodo(about))
    write_json(folder / croissant.FILE, croissant.croissant(about, folder, tables))
    write_json(folder / crate.FILE, crate.crate(about, ran(study, results), folder))


def drawn_sets(study: PlannedStudy) -> list[str]:
    """Return the data sets whose films are drawn, so that their names are nobody's."""
    settings = study.study.config["datasets"]
    kinds = {name: dataset_kind(str(settings[name]["kind"])) for name in parts.sets_of(study)}
    return [name for name, kind in kinds.items() if kind is not None and not kind.rooted]


def _about(study: PlannedStudy, arguments: argparse.Namespace) -> citing.About:
    config = study.study.config
    counts = f"{len(study.targets)} trainings of study '{study.name}', with their scores."
    return citing.About(
        name=study.name,
        title=str(config["title"] or study.name),
        description=f"{config['description']} {counts}".strip(),
        creators=tuple(arguments.creator) or (_NOBODY,),
        licence=arguments.licence,
        date=datetime.now(UTC).date().isoformat(),
    )


def _copy_workflow(study: PlannedStudy, folder: Path) -> None:
    """Copy what was run: the study without places, and the environment's lock."""
    workflow = folder / "workflow"
    workflow.mkdir(parents=True, exist_ok=True)
    config = json.loads(canonical_json(study.study.config))
    written = study.study.source.read_text(encoding="utf-8")
    write_text(folder / "study.yaml", text_without_places(written, config))
    write_json(folder / "resolved.json", without_places(config))
    lock = (PROJECT / "envs" / "requirements.lock").read_text(encoding="utf-8")
    write_text(workflow / "requirements.lock", lock)
    write_json(workflow / "sbom.cdx.json", citing.bill_of_materials(lock))


def _release(
    study: PlannedStudy,
    results: Path,
    folder: Path,
    cells: list[str],
    names: Mapping[str, Names],
) -> None:
    if not cells:
        return
    from transfergrid.commands.archiving.models import release  # torch

    scores = read_table(folder / "tables" / "scores.csv")
    points = {cell.name: cell.point for cell in study.targets}
    data = dict(licences.terms_of_data(study))
    weights = dict(licences.terms_of_weights(study, results))
    for cell in dict.fromkeys(cells):
        terms = {"data": data[points[cell].dataset]}
        if points[cell].pretraining in weights:
            terms["weights"] = weights[points[cell].pretraining]
        told = names[points[cell].dataset].told
        release(cell, results, folder, study.name, scores, terms, told=told)


def _zip(folder: Path, place: Path) -> None:
    """Pack a folder; members are in the order of their names."""
    with replacing(place) as path, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for member in sorted(folder.rglob("*")):
            if member.is_file():
                file.write(member, member.relative_to(folder))
