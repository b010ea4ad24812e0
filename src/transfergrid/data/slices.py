"""Slices of volumes, as rows of a table name them; nothing here opens a volume."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from transfergrid.data.decoding import optional_module
from transfergrid.data.tablefile import Table
from transfergrid.runtime.errors import UserError

SUFFIXES = (".nii", ".nii.gz")
"""How the names of NIfTI volumes end."""


def is_volume(name: str) -> bool:
    """Tell whether a file is called as NIfTI volumes are."""
    return name.lower().endswith(SUFFIXES)


def slice_numbers(table: Table, nifti: Mapping[str, Any]) -> list[int]:
    """Return the number of each row's slice, from 0.

    Args:
        table: A row a slice.
        nifti: The data set's ``nifti``, of which ``slice`` names the column.

    Raises:
        UserError: There is no such column, or a cell of it is no whole number from 0 up.
    """
    column = str(nifti["slice"])
    cells = table.text(column).tolist()
    for row, cell in enumerate(cells, 1):
        if not re.fullmatch(r"\d{1,9}(\.0*)?", cell):
            raise UserError(
                f"{table.path} has '{cell}' in column '{column}' of row {row}; write the number of "
                "the slice, a whole number from 0 up."
            )
    return [int(cell.partition(".")[0]) for cell in cells]


def slice_ids(names: pd.Series, table: Table, nifti: Mapping[str, Any]) -> pd.Series:
    """Return what each row's image is called: its volume, a slash and the slice's number."""
    numbers = pd.Series(slice_numbers(table, nifti), index=names.index)
    return names + "/" + numbers.astype(str)


def check_no_volumes(names: Iterable[str], table: Table) -> None:
    """Refuse volumes among image files, of which no slice is named.

    Raises:
        UserError: A name ends as those of NIfTI volumes do.
    """
    for row, name in enumerate(names, 1):
        if is_volume(name):
            raise UserError(
                f"{table.path} names {name} in row {row}, a NIfTI volume and not an image; say "
                "which slice it is with the data set's `nifti: { slice: COLUMN, axis: axial }`, "
                "or export slices as PNG."
            )


def nifti_module(name: str) -> Any:
    """Return a module that reads NIfTI: code of the data sets alone that have such volumes.

    Raises:
        UserError: What it needs is not installed.
    """
    return optional_module(name, "nifti", "nifti:")
