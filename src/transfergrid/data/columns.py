"""Which group each study of a data set is in, by columns of the data set's own tables.

Read when scores are analysed: a cache and a cell know nothing of it, so asking for another column
makes nothing of them again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from transfergrid.catalog.dataset_kind import Described
from transfergrid.data.declared import kinds
from transfergrid.data.images import inside
from transfergrid.data.kinds import read_unchecked
from transfergrid.data.manifest import Manifest
from transfergrid.data.slices import slice_ids
from transfergrid.data.tablefile import Table, canonical, read_table
from transfergrid.planning.described import VIEW, described_by, names_of, tables_of
from transfergrid.runtime.errors import UserError, listed
from transfergrid.runtime.named import load

UNKNOWN = "unknown"
"""The group of a study of which the table says nothing, or that it calls so."""
SEVERAL = " and "
"""Joins the groups of a study whose images are in several."""
MOST = 12
"""Groups of a column at most: a column with more tells people apart rather than groups them."""
LONGEST = 60
"""Characters of a group's name at most."""

_UNITS = {"": 1.0, "Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}
_NUMBER = re.compile(r"([+-]?\d+(?:\.\d*)?)\s*([YMWD]?)", re.IGNORECASE)

Asked = Mapping[str, Any]
"""A column under ``column``, and under ``bands`` where its numbers are cut, or None."""


@dataclass(frozen=True)
class Column:
    """The groups of a data set's studies by one column.

    Attributes:
        names: Every group, in order, `UNKNOWN` last if there is any study of it.
        group: (S,) str, the group of each study.
    """

    names: tuple[str, ...]
    group: npt.NDArray[np.str_]


@dataclass(frozen=True)
class Grouped:
    """The studies of a data set with their groups.

    Attributes:
        study_id: (S,) str, sorted, as test ensembles name them.
        patient_id: (S,) str, as the reader gives them.
        tasks: T names.
        labels: (S, T) float32 in [0, 1] or NaN, of each study's first image; NaN of masks.
        columns: The groups by column, in the order in which they were asked for.
    """

    study_id: npt.NDArray[np.str_]
    patient_id: npt.NDArray[np.str_]
    tasks: tuple[str, ...]
    labels: npt.NDArray[np.float32]
    columns: Mapping[str, Column]

    def rows(self, studies: npt.NDArray[np.str_]) -> npt.NDArray[np.int64]:
        """Return the places of studies; UserError for one that the data set does not have."""
        places = np.searchsorted(self.study_id, studies)
        found = self.study_id[np.minimum(places, len(self.study_id) - 1)] == studies
        if not found.all():
            lost = studies[~found][0]
            raise UserError(
                f"study {lost} was scored and is not among those of the data set any more; "
                "restore its tables, or remove the data set's cache and cells."
            )
        return places.astype(np.int64)


def read_grouped(declaration: Mapping[str, Any], root: Path | None, asked: list[Asked]) -> Grouped:
    """Read which group each study of a data set is in.

    Args:
        declaration: What its reader and its cache were made from.
        root: Where it lies.
        asked: The columns.

    Raises:
        UserError: A column is not there, has more groups than `MOST`, or a cell that is no number
            where it has bands; or any fault that the data set's reader finds.
    """
    described = described_by(kinds().get(str(declaration.get("kind"))), declaration)
    with ExitStack() as stack:
        if described is not None and described.drawn:
            root = Path(stack.enter_context(TemporaryDirectory()))
            manifest = load(described.drawn)(declaration, root)
        else:
            manifest = read_unchecked(declaration, root)
        return _grouped(manifest, declaration, root, asked, described)


def _grouped(
    manifest: Manifest,
    declaration: Mapping[str, Any],
    root: Path | None,
    asked: list[Asked],
    described: Described | None,
) -> Grouped:
    table = manifest.table
    studies, place = np.unique(table["study_id"].to_numpy(dtype=str), return_inverse=True)
    first = np.unique(place, return_index=True)[1]
    columns = {}
    for one in asked:
        column, bands = str(one["column"]), one.get("bands")
        values = _values(column, manifest, declaration, root, described)
        where = f"column '{column}' of data set '{declaration.get('id', '')}'"
        names = _banded(values, bands, where) if bands else _named(values, where)
        columns[column] = _by_study(names, place, len(studies), bands, where)
    return Grouped(
        studies,
        table["patient_id"].to_numpy(dtype=str)[first],
        manifest.tasks,
        table[list(manifest.tasks)].to_numpy(dtype=np.float32)[first],
        columns,
    )


def _values(
    column: str,
    manifest: Manifest,
    declaration: Mapping[str, Any],
    root: Path | None,
    described: Described | None,
) -> pd.Series:
    """Return what is said of each image of a manifest, null where nothing is."""
    found = []
    tables = tables_of(described, declaration, root) if described and root else []
    for path in tables:
        table = read_table(path, declaration.get("separator"))
        assert described is not None
        there = [name for name in names_of(described, column) if name in table.frame.columns]
        if there:
            image = described.image or str(declaration["image_column"])
            ids = _image_ids(table, image, described.last_parts, declaration.get("nifti"))
            found.append(pd.Series(table.column(there[0]).to_numpy(dtype=object), index=ids))
    images = manifest.table["image_id"]
    if found:
        told = pd.concat(found)
        return told[~told.index.duplicated()].reindex(images.astype(str)).reset_index(drop=True)
    views = manifest.table["view"].astype(str)
    if column == VIEW and (views != "").any():
        return views.where(views != "", None)
    told_of = f"{listed([path.name for path in tables])}" if tables else "its reader"
    raise UserError(
        f"data set '{declaration.get('id', '')}' has no column '{column}' ({told_of}); correct "
        "subgroups."
    )


def _image_ids(
    table: Table, column: str, last_parts: int, nifti: Mapping[str, Any] | None
) -> pd.Index:
    names = table.text(column).map(inside)
    if last_parts:
        names = names.str.split("/").str[-last_parts:].str.join("/")
    return pd.Index(slice_ids(names, table, nifti) if nifti else names)


def _named(values: pd.Series, where: str) -> pd.Series:
    """Return the names of groups, `UNKNOWN` where there is none."""
    known = values.notna().to_numpy()
    written = canonical(values[known].astype(str).str.strip(), where)
    names = pd.Series(UNKNOWN, index=values.index, dtype=object)
    names[known] = written
    _check(names.unique(), where)
    return names


def _check(names: Iterable[str], where: str) -> None:
    known = [name for name in names if name != UNKNOWN]
    if len(known) > MOST:
        numbers = all(_NUMBER.fullmatch(name) for name in known)
        mend = "cut its numbers with bands" if numbers else "name one that many patients share"
        raise UserError(f"{where} has {len(known)} groups, and at most {MOST} are told; {mend}.")
    long = [name for name in known if len(name) > LONGEST]
    if long:
        raise UserError(
            f"{where} has a group whose name has {len(long[0])} characters, and at most {LONGEST} "
            "are allowed; name a column of short values."
        )


def band_names(bands: Iterable[float]) -> list[str]:
    """Return the names of the bands that numbers are cut into, from the lowest up."""
    edges = [f"{edge:g}" for edge in bands]
    between = [f"{low} to under {high}" for low, high in pairwise(edges)]
    return [f"under {edges[0]}", *between, f"{edges[-1]} and over"]


def _banded(values: pd.Series, bands: Iterable[float], where: str) -> pd.Series:
    """Return the band of each number; ages may have DICOM's units (058Y, 006M)."""
    edges = list(bands)
    names = np.array([*band_names(edges), UNKNOWN], dtype=object)
    unknown = len(names) - 1
    band = {value: _band(value, edges, where) for value in values.dropna().unique()}
    return pd.Series(names[[band.get(value, unknown) for value in values]], index=values.index)


def _band(value: object, edges: list[float], where: str) -> int:
    found = _NUMBER.fullmatch(str(value).strip())
    if found is None:
        # The value itself may be somebody's: a sentence that is kept in logs does not repeat it.
        raise UserError(
            f"{where} has a cell that is no number, which no band holds; correct it, or leave "
            "bands out."
        )
    number = float(found[1]) * _UNITS[found[2].upper()]
    return int(np.searchsorted(edges, number, side="right"))


def _by_study(
    names: pd.Series,
    place: npt.NDArray[np.intp],
    studies: int,
    bands: Iterable[float] | None,
    where: str,
) -> Column:
    """Return the group of each study: that of its images, or all of theirs where they differ."""
    order = band_names(bands) if bands else sorted(set(names))
    rank = {name: number for number, name in enumerate(order)}
    pairs = pd.DataFrame({"study": place, "name": names.to_numpy()}).drop_duplicates()
    pairs = pairs[pairs["name"] != UNKNOWN]
    pairs = pairs.sort_values(
        ["study", "name"], key=lambda c: c.map(rank) if c.name == "name" else c
    )
    group = np.full(studies, UNKNOWN, dtype=object)
    single = ~pairs["study"].duplicated(keep=False)
    group[pairs.loc[single, "study"]] = pairs.loc[single, "name"]
    several = pairs[~single].groupby("study")["name"].agg(SEVERAL.join)
    group[several.index.to_numpy()] = several.to_numpy()
    there = set(group)
    _check(there, where)
    ordered = [name for name in order if name in there and name != UNKNOWN]
    ordered += sorted(there - {*order, UNKNOWN})
    ordered += [UNKNOWN] if UNKNOWN in there else []
    return Column(tuple(ordered), group.astype(str))
