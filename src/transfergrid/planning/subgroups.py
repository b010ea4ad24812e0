"""By which columns of a data set's own tables test films are grouped, decided after training."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

from transfergrid.catalog.dataset_kind import Described
from transfergrid.catalog.kinds import dataset_kind
from transfergrid.planning.described import VIEW, described_by, names_of, tables_of
from transfergrid.planning.heads import opened
from transfergrid.planning.study import Study, location
from transfergrid.runtime.errors import UserError, listed, suggest

_AGE = re.compile(r"(?:^|[^a-z])age(?:[^a-z]|$)|birth", re.IGNORECASE)
_IDS = ("patient_column", "study_column", "image_column")

Settings = Mapping[str, Any]


def asked_of(config: Mapping[str, Any], dataset: str) -> list[dict[str, Any]]:
    """Return by which columns, and in which bands, the films of a data set are grouped.

    Args:
        config: The validated study.
        dataset: The data set's name.
    """
    return [
        {"column": entry["column"].strip(), "bands": entry["bands"]}
        for entry in config["subgroups"] or ()
        if entry["datasets"] is None or dataset in entry["datasets"]
    ]


def check_subgroups(study: Study, datasets: Iterable[str]) -> None:
    """Refuse columns that are not there, are ids, or are ages without bands.

    Tables of Parquet are not opened here; the job that groups films refuses what theirs lack.

    Args:
        study: The study.
        datasets: The data sets that its cells are tested on.

    Raises:
        UserError: The sentence names the entry, what it may be and what to do.
    """
    tested = list(dict.fromkeys(datasets))
    for entry in study.config["subgroups"] or ():
        where = f"{study.source}: subgroups by '{entry['column']}'"
        _check_bands(where, entry)
        if lost := [name for name in entry["datasets"] or () if name not in tested]:
            raise UserError(
                f"{where} name data set '{lost[0]}'{suggest(lost[0], tested)}, on which no cell "
                f"is tested; name one of {listed(tested)}."
            )
    for name in tested:
        columns = [entry["column"] for entry in asked_of(study.config, name)]
        if twice := [column for column in columns if columns.count(column) > 1]:
            raise UserError(
                f"{study.source}: subgroups name the column '{twice[0]}' twice for data set "
                f"'{name}'; keep one of them."
            )
        for column in columns:
            where = f"{study.source}: subgroups by '{column}'"
            _check_column(where, column, name, study.config["datasets"][name])


def _check_bands(where: str, entry: Mapping[str, Any]) -> None:
    bands = entry["bands"]
    if bands is None and _AGE.search(entry["column"]):
        raise UserError(
            f"{where} have no bands, and an age is given in bands alone; write bands, such as "
            "[40, 60, 80]."
        )
    if bands and any(low >= high for low, high in pairwise(bands)):
        raise UserError(
            f"{where} have the bands {bands}; write numbers that rise, such as [40, 60, 80]."
        )


def _check_column(where: str, column: str, name: str, settings: Settings) -> None:
    described = described_by(dataset_kind(settings["kind"]), settings)
    if described is None:
        if column == VIEW:
            return
        raise UserError(
            f"{where} ask data set '{name}' of kind {settings['kind']} for a column, and no table "
            f"of that kind is known; it has {VIEW} alone. Name the data sets that have the column "
            "in datasets."
        )
    ids = {*described.ids, *(str(settings[key]) for key in _IDS if settings.get(key))}
    if column in ids:
        raise UserError(
            f"{where} would tell patients, studies or films of data set '{name}' apart one by one; "
            "name a column that many of them share."
        )
    heads = _heads(described, settings, name)
    if heads is None or column == VIEW or set(names_of(described, column)) & set(heads):
        return
    words = [*described.known, *(head for head in heads if head and head not in ids)]
    raise UserError(
        f"{where} name no column of the tables of data set '{name}'{suggest(column, words)}; "
        f"there are {listed(dict.fromkeys(words), 20)}. Correct it, or name the data sets that "
        "have it in datasets."
    )


def _heads(described: Described, settings: Settings, name: str) -> list[str] | None:
    """Return the columns of a data set's tables; None where one is not opened here."""
    if described.drawn:
        return [name for names in described.known.values() for name in names]
    root = location(settings["root"], f"root of data set '{name}'")
    heads: dict[str, None] = {}
    for table in tables_of(described, settings, root):
        with opened(table, settings.get("separator")) as found:
            if found is None:
                return None
            heads |= dict.fromkeys(found[0])
    return list(heads)
