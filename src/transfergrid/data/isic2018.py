"""ISIC 2018, task 3 (HAM10000), as published: seven diagnoses, one-hot in a table a part.

Layout: unverified. No file was read; the names of archives and columns are those of several public
loaders, and 10,015 names and classes of training images were counted in the folds of
DovileDo/revisiting-transfer @ 54853c3. P. Tschandl et al., Scientific Data 5:180161, 2018.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from transfergrid.data.drawn import drawn_split
from transfergrid.data.images import ImageFiles
from transfergrid.data.manifest import IDS, Manifest, choice, chosen_tasks
from transfergrid.data.tablefile import Table, read_table
from transfergrid.planning.layouts.isic2018 import images, joined, lesions, parts, truth
from transfergrid.runtime.errors import UserError

DIAGNOSES = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
"""The columns of the published table, in its order."""

TASKS = tuple(name.lower() for name in DIAGNOSES)


def read(options: Mapping[str, Any], root: Path) -> Manifest:
    """Read the tables of diagnoses and of lesions; images are not touched.

    Args:
        options: The declaration; see the study's schema for its keys.
        root: Folder that holds the unpacked archives.

    Raises:
        UserError: A missing folder, table, column or image's row, an image without exactly one
            diagnosis, an option out of range.
    """
    if not root.is_dir():
        raise UserError(f"data folder {root} does not exist; correct the data set's root.")
    choice(options, "split", ("random", "official"))
    choice(options, "lesions", ("together", "apart"))
    table = pd.concat([_part(root, split) for split in parts(options)], ignore_index=True)
    names = table["image_id"].to_numpy(str)
    groups = _lesions(root, names) if joined(options) else None
    if len(parts(options)) == 1:
        labels = table[list(TASKS)].to_numpy(np.float32)
        table["split"] = drawn_split(names if groups is None else groups, options, labels)
    return Manifest(
        table=table[[*IDS, *TASKS]],
        tasks=TASKS,
        score_tasks=chosen_tasks(options.get("score_tasks"), TASKS, "score_tasks"),
        task_kind="multiclass",
        images=ImageFiles.declared(root, table["file"].tolist(), options),
        patients_known=False,
        studies_known=False,
        notes=_notes(options),
        groups=groups,
        drawn=len(parts(options)) == 1,
    )


def _part(root: Path, split: str) -> pd.DataFrame:
    """Return the rows of a part of the challenge, with the paths of its images."""
    table = read_table(truth(root, split))
    names, folder = table.text("image"), images(root, split)
    rows = pd.DataFrame(dict(zip(IDS, (names, names, names, "", split), strict=True)))
    rows["file"] = [f"{folder}/{name}.jpg" for name in names]
    rows[list(TASKS)] = _diagnoses(table, names)
    return rows


def _diagnoses(table: Table, names: pd.Series) -> npt.NDArray[np.float32]:
    """Return the one-hot diagnoses, (N, 7)."""
    cells = [pd.to_numeric(table.column(name), errors="coerce") for name in DIAGNOSES]
    labels = np.stack([column.to_numpy(np.float32) for column in cells], axis=1)
    good = np.isin(labels, (0, 1)).all(axis=1) & (labels.sum(axis=1) == 1)
    wrong = np.flatnonzero(~good)
    if len(wrong):
        row = wrong[0]
        shown = ", ".join(str(table.frame[name][row]) for name in DIAGNOSES)
        raise UserError(
            f"{table.path} has {shown} for image {names[row]} in row {row + 1}; an image has a 1 "
            f"for exactly one of {', '.join(DIAGNOSES)} and a 0 for the others; correct the row."
        )
    return labels


def _lesions(root: Path, names: npt.NDArray[np.str_]) -> npt.NDArray[np.str_]:
    """Return the lesion that each training image shows."""
    table = read_table(lesions(root))
    of = dict(zip(table.text("image"), table.text("lesion_id"), strict=True))
    lost = [name for name in names.tolist() if name not in of]
    if lost:
        raise UserError(
            f"{table.path} has no row for {len(lost)} image(s), such as {lost[0]}; restore the "
            "table, or let images of a lesion part with lesions: apart."
        )
    return np.array([of[name] for name in names.tolist()])


def _notes(options: Mapping[str, Any]) -> tuple[str, ...]:
    if len(parts(options)) > 1:
        return ()
    together = (
        "All training images of a lesion are in one part; a patient may have several lesions."
        if joined(options)
        else "Images of one lesion may be in two parts, as if they were of different lesions."
    )
    return ("Only the challenge's training images are used.", together)
