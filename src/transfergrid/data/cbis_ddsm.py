"""CBIS-DDSM as published: four tables of abnormalities, and their mammograms as PNG.

Columns and numbers were read from public copies of the four tables: a row is an abnormality, so the
film of several has several rows (3,568 rows, 3,103 paths, of which 293 have more than one row). 71
films lie under two paths, one of the mass and one of the calcification tables; 31 patients are in a
training and in a test table. The tables' headers differ (`breast_density`, `breast density`), and
some cells end in a line break. Unverified: that the two files of such a film show the same.
Source: Lee et al., Scientific Data 4:170177, 2017.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from transfergrid.data.drawn import drawn_split
from transfergrid.data.images import ImageFiles, inside
from transfergrid.data.manifest import IDS, Manifest, choice, chosen_tasks
from transfergrid.data.tablefile import read_table
from transfergrid.runtime.errors import UserError, listed, printable

TABLES = {"mass": "mass", "calcification": "calc"}
"""How the tables of each kind of abnormality begin."""
PARTS = ("train", "test")
PATHOLOGIES = {"MALIGNANT": 1, "BENIGN": 0, "BENIGN_WITHOUT_CALLBACK": 0}
TASK = "malignant"
PNG, DICOM = ".png", ".dcm"


def _flat(path: PurePosixPath) -> str:
    return path.parts[0]


def _nested(path: PurePosixPath) -> str:
    return str(path.with_suffix(""))


def _renamed(path: PurePosixPath) -> str:
    return str(path.with_name("1-1"))


FORMS: tuple[Callable[[PurePosixPath], str], ...] = (_flat, _nested, _renamed)
"""Where the file of a film may be, from its path in the tables: named after the film's folder; as
in the tables; as the archive's download client names the film."""


def read(options: Mapping[str, Any], root: Path) -> Manifest:
    """Read CBIS-DDSM's tables; images are not opened.

    Each film is one image, however many abnormalities it shows and under however many paths it
    lies: malignant if one of them is. Films of the published test set are tested on; training films
    of their patients are left out.

    Args:
        options: The declaration: ``abnormalities`` (which tables), ``image_folder``,
            ``validation_share`` of the training patients, ``seed``; ``dicom`` for films as they
            were published, else converted to PNG.
        root: The folder of the tables.

    Raises:
        UserError: A missing table or column, a pathology that is none, or no file of any film.
    """
    wanted = choice(options, "abnormalities", ("both", *TABLES))
    kinds = tuple(TABLES) if wanted == "both" else (wanted,)
    rows = pd.concat([_rows(root, kind, part) for kind in kinds for part in PARTS])
    films = rows.groupby("film", sort=False).agg(
        patient=("patient", "first"),
        view=("view", "first"),
        malignant=("malignant", "max"),
        tested=("tested", "max"),
        path=("path", "first"),
    )
    notes = [f"{len(rows)} abnormalities are on {len(films)} films, each of them one image."]
    if not options.get("folds"):
        films, left_out = _by_patient(films)
        notes += left_out
    people = films["patient"].to_numpy(dtype=str)
    truth = films["malignant"].to_numpy(dtype=np.float32)
    split = np.full(len(films), "test", "<U5")
    train = ~films["tested"].to_numpy(dtype=bool) | bool(options.get("folds"))
    split[train] = drawn_split(people[train], options, truth[train, None], ("valid",))
    home, suffix = options.get("image_folder", "images"), DICOM if options.get("dicom") else PNG
    folder, files = _files(root, home, films["path"].tolist(), suffix)
    columns = [films.index, films.index, people, films["view"].to_numpy(dtype=str), split]
    return Manifest(
        table=pd.DataFrame({**dict(zip(IDS, columns, strict=True)), TASK: truth}),
        tasks=(TASK,),
        score_tasks=chosen_tasks(options.get("score_tasks"), (TASK,), "score_tasks"),
        task_kind="multilabel",
        images=ImageFiles.declared(folder, files, options),
        patients_known=True,
        studies_known=False,
        notes=tuple(notes),
    )


def table_name(kind: str, part: str) -> str:
    """Return the published name of a table."""
    return f"{TABLES[kind]}_case_description_{part}_set.csv"


def _rows(root: Path, kind: str, part: str) -> pd.DataFrame:
    """Return the abnormalities of a table: film, patient, view, label and the film's path."""
    table = read_table(root / table_name(kind, part))
    pathology = table.text("pathology")
    strange = pathology[~pathology.isin(PATHOLOGIES.keys())]
    if len(strange):
        raise UserError(
            f"{table.path} has '{printable(strange.iloc[0])}' in column 'pathology' of row "
            f"{strange.index[0] + 1}; allowed are {listed(PATHOLOGIES)}."
        )
    patient, side, view, path = (
        table.text(name)
        for name in ("patient_id", "left or right breast", "image view", "image file path")
    )
    return pd.DataFrame(
        {
            "film": patient + "_" + side + "_" + view,
            "patient": patient,
            "view": view,
            "malignant": pathology.map(PATHOLOGIES),
            "tested": part == "test",
            "path": path.map(inside),
        }
    )


def _by_patient(films: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Leave out training films of patients who are tested on."""
    tested = films["patient"].isin(films.loc[films["tested"], "patient"])
    both = tested & ~films["tested"]
    if not both.any():
        return films, []
    count = films.loc[both, "patient"].nunique()
    note = f"{both.sum()} training films of {count} patients with test films are left out."
    return films[~both], [note]


def _files(
    root: Path, folder: str | None, paths: Sequence[str], suffix: str
) -> tuple[Path, list[str]]:
    """Return where the films are, as files that end in `suffix`, and their paths there."""
    home = root / inside(folder) if folder else root
    if not home.is_dir():
        raise UserError(
            f"image_folder is {folder}, but {root} has no such folder; put the films there, or "
            "name the folder that has them."
        )
    pure = [PurePosixPath(path) for path in paths]
    for form in FORMS:
        names = [form(path) + suffix for path in pure]
        if any((home / name).is_file() for name in names):
            return home, names
    tried = listed([form(pure[0]) + suffix for form in FORMS])
    other = {PNG: "write dicom: true for DICOM files", DICOM: "write dicom: false for PNGs"}[suffix]
    raise UserError(
        f"{home} has no film as {suffix[1:].upper()}; of the first it would be one of {tried}: "
        f"{other}, or correct image_folder."
    )
