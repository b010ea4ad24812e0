"""The csv kind: image paths, labels, people and splits from columns of any table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from transfergrid.data import labels
from transfergrid.data.decoding import dicom_module
from transfergrid.data.images import ImageFiles, inside
from transfergrid.data.manifest import IDS, TASK_KINDS, Manifest, choice, chosen_tasks
from transfergrid.data.places import place
from transfergrid.data.slices import check_no_volumes, nifti_module, slice_ids
from transfergrid.data.splits import random_split
from transfergrid.data.store import SPLITS
from transfergrid.data.tablefile import Table, canonical, read_table
from transfergrid.runtime.errors import UserError, listed
from transfergrid.runtime.hashing import seeded


def read(options: Mapping[str, Any], root: Path) -> Manifest:
    """Read a table of images and labels.

    Args:
        options: The declaration; see the study's schema for its keys.
        root: Folder that holds the table, and relative to which the table names its images.

    Raises:
        UserError: A missing table, column or image folder, a label or split value that is not
            allowed, a blank path or id, an absolute path, a path out of the root.
    """
    if not root.is_dir():
        raise UserError(f"data folder {root} does not exist; correct the data set's root.")
    table = read_table(root / str(options["table"]), options.get("separator"), settable=True)
    task_kind = choice(options, "task_kind", TASK_KINDS)
    truth = _truth(table, task_kind, options)
    return manifest_of(table, truth, task_kind, options, root)


def manifest_of(
    table: Table, truth: pd.DataFrame, task_kind: str, options: Mapping[str, Any], root: Path
) -> Manifest:
    """Return the manifest of a table of images.

    Args:
        table: The table.
        truth: A column a task, row for row.
        task_kind: What kind of task these are.
        options: The declaration.
        root: Folder relative to which the table names its images.

    Raises:
        UserError: As `read`.
    """
    names = table.text(str(options["image_column"])).map(inside)
    folders = [inside(folder) for folder in options.get("image_folders") or ()]
    files = place(root, folders, names.tolist())
    if options.get("dicom"):
        paths = [str(root / file) for file in files]
        table = dicom_module("dicom_headers").with_headers(table, paths, options)
    slices, nifti = None, options.get("nifti")
    if nifti:
        slices = nifti_module("nifti_films").slices_of(table, files, options, root)
        names = slice_ids(names, table, nifti)
    else:
        check_no_volumes(names, table)
    ids = _ids(table, names, options)
    tasks = tuple(truth.columns)
    return Manifest(
        table=pd.concat([ids, truth], axis=1),
        tasks=tasks,
        score_tasks=chosen_tasks(options.get("score_tasks"), tasks, "score_tasks"),
        task_kind=task_kind,
        images=ImageFiles.declared(root, files, options) if slices is None else slices,
        patients_known=bool(options.get("patient_column")),
        studies_known=bool(options.get("study_column")),
        notes=() if slices is None else slices.notes,
        groups=_groups(table, options),
        published=_published(table, options),
        drawn="random" in (options.get("split") or {}),
    )


def _groups(table: Table, options: Mapping[str, Any]) -> npt.NDArray[np.str_] | None:
    """Return the group of each image; one without is a group of its own."""
    name = (options.get("folds") or {}).get("group_column")
    if name is None:
        return None
    values = table.column(str(name))
    alone = values.isna().to_numpy()
    written = canonical(values[~alone].astype(str), f"{table.path}, column '{name}'")
    groups = np.array([f" {row}" for row in range(len(values))], dtype=object)
    groups[~alone] = written.to_numpy()
    return groups.astype(str)


def _published(table: Table, options: Mapping[str, Any]) -> npt.NDArray[np.str_] | None:
    name = (options.get("folds") or {}).get("column")
    return None if name is None else table.codes(str(name)).to_numpy(dtype=str)


def _truth(table: Table, task_kind: str, options: Mapping[str, Any]) -> pd.DataFrame:
    columns = list(options["label_columns"])
    if task_kind == "multiclass":
        return labels.classes(table, columns)
    if options.get("label_separator"):
        return labels.divided(
            table, columns, str(options["label_separator"]), options.get("no_label")
        )
    return labels.columns(table, columns, options.get("label_values"))


def _ids(table: Table, names: pd.Series, options: Mapping[str, Any]) -> pd.DataFrame:
    patients, studies = (
        table.codes(str(options[key])) if options.get(key) else None
        for key in ("patient_column", "study_column")
    )
    if studies is not None and patients is not None:
        # Study ids are often numbered within a patient.
        studies = patients + "/" + studies
    studies = names if studies is None else studies
    # Where no one says whose they are, each study is a patient of its own.
    patients = studies if patients is None else patients
    views = table.column(str(options["view_column"])) if options.get("view_column") else None
    return pd.DataFrame(
        {
            "image_id": names,
            "study_id": studies,
            "patient_id": patients,
            "view": "" if views is None else views.astype(str).where(views.notna(), ""),
            "split": "" if options.get("folds") else _split(table, options, patients),
        },
        columns=list(IDS),
    )


def _split(table: Table, options: Mapping[str, Any], whole: pd.Series) -> npt.NDArray[Any]:
    rule = dict(options.get("split") or {})
    if "column" in rule:
        return _declared_split(table, rule)
    rng = np.random.default_rng(seeded("split", rule.get("seed", 0)))
    groups = whole.to_numpy(dtype=str)
    if "random" in rule:
        shares = {split: float(rule["random"][split]) for split in ("valid", "test")}
        return random_split(groups, shares, "train", rng)
    raise UserError(f"split has the keys {listed(rule)}; it needs column or random.")


def _declared_split(table: Table, rule: Mapping[str, Any]) -> npt.NDArray[Any]:
    values = table.codes(str(rule["column"]))
    part_of: dict[str, str] = {}
    for split in SPLITS:
        declared = pd.Series([str(value) for value in rule.get(split, ())], dtype=str)
        for value in canonical(declared, f"split.{split}"):
            if part_of.setdefault(value, split) != split:
                raise UserError(f"split gives '{value}' to {part_of[value]} and {split}.")
    parts = values.map(part_of)
    stray = values[parts.isna()].unique()
    if len(stray):
        raise UserError(
            f"{table.path} has '{stray[0]}' in column '{rule['column']}', which split gives to "
            f"none of {listed(SPLITS)}; list it under one of them or remove those rows."
        )
    return parts.to_numpy(dtype=str)
