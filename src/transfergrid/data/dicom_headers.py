"""Columns that DICOM files bring along: whose a film is, of which study, from which side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pandas as pd
from pydicom import dcmread
from pydicom.dataset import FileDataset

from transfergrid.data.images import missing
from transfergrid.data.tablefile import Table
from transfergrid.runtime.errors import UserError, listed
from transfergrid.runtime.progress import progress

HEADERS = (
    "PatientID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "ViewPosition",
    "ImageLaterality",
    "Laterality",
)
"""Names under which a file's own values may stand in place of a column of the table."""
IDS = ("patient_column", "study_column")
KEYS = (*IDS, "view_column")
"""Settings that may name one of them; what `IDS` name, every file has to tell."""

_WORKERS = 8


def with_headers(
    table: Table, paths: Sequence[str], options: Mapping[str, Any], label: str = "films"
) -> Table:
    """Return a table with a column for each of `HEADERS` that is named and that it does not have.

    Only these are read, so nothing else of a header reaches a cache or a result.

    Args:
        table: Rows of files.
        paths: Where the file of each row is.
        options: The data set's settings, of which `KEYS` name columns.
        label: What is read, for the line of progress.

    Raises:
        UserError: A file is missing or no DICOM file, or does not say whose or of which study it
            is where that is asked for.
    """
    named = dict.fromkeys(str(options[key]).strip() for key in KEYS if options.get(key))
    wanted = [name for name in named if name in HEADERS and name not in table.frame.columns]
    if not wanted:
        return table
    with ThreadPoolExecutor(_WORKERS) as executor:
        rows = list(
            progress(
                executor.map(lambda path: values_of(path, wanted), paths),
                len(paths),
                f"reading headers of {label}",
            )
        )
    ids = {str(options[key]).strip() for key in IDS if options.get(key)}
    for path, row in zip(paths, rows, strict=True):
        blank = [name for name, value in zip(wanted, row, strict=True) if not value and name in ids]
        if blank:
            raise UserError(
                f"image {path} says nothing under {listed(blank)}, which was to come from its "
                "header; leave it out of the table, or give the table that column."
            )
    found = pd.DataFrame(rows, columns=pd.Index(wanted), dtype=object)
    return replace(table, frame=pd.concat([table.frame, found], axis=1))


def values_of(path: str, names: Sequence[str]) -> list[str | None]:
    """Return what a file says under some keywords; None where it says nothing.

    Raises:
        UserError: It is missing or no DICOM file.
    """
    header = header_of(path, names)
    return [str(header.get(name) or "").strip() or None for name in names]


def header_of(path: str, names: Sequence[str]) -> FileDataset:
    """Read some elements of a file's header, and none of its pixels.

    Raises:
        UserError: It is missing or no DICOM file.
    """
    fault = missing(path)
    if fault:
        raise UserError(fault)
    try:
        return dcmread(path, stop_before_pixels=True, specific_tags=list(names))
    except Exception as error:  # given broken files, it raises nearly every class there is
        told = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"image {path} has no DICOM header ({told}), from which {listed(names)} would be read; "
            "restore it, or give the table that column."
        ) from None
