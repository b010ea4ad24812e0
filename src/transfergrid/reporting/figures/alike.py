"""What figures of how alike networks are share: places, moments, arms, means over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from transfergrid.planning.state_pairs import FINAL, INITIAL
from transfergrid.reporting.figures.data import FigureData
from transfergrid.statistics.places import place_words

PLACE = ["dataset", "architecture", "truncation"]
MOST = 8
"""Places that a figure has room for; the others stand in the table alone."""
BEFORE, AFTER = "before training", "after training"
NUMBERS = ["value", "low", "high", "floor", "floor_low", "floor_high", "baseline", "ceiling"]

Place = tuple[str, str, int]
"""Data set, network and number of blocks removed."""


def similar(data: FigureData) -> pd.DataFrame:
    """Return the rows of similarity.csv with a value, without gaps in the names of protocols."""
    return _known(data.similarity)


def agreeing(data: FigureData) -> pd.DataFrame:
    """Return the rows of agreement.csv with a value for all tasks together."""
    table = _known(data.agreement)
    return table if table.empty else table[table["task"].fillna("") == ""]


def _known(table: pd.DataFrame) -> pd.DataFrame:
    if table.empty:
        return table
    table = table[table["value"].notna()]
    named = {f"{side}_protocol": table[f"{side}_protocol"].fillna("") for side in ("left", "right")}
    return table.assign(**named)


def seed_means(rows: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Average pairs over seeds and folds.

    Ends of intervals are averaged too, which makes one that is a little too wide for the mean.

    Args:
        rows: Of one table.
        keys: The columns that tell the means apart.

    Returns:
        The keys and those of `NUMBERS` that the table has.
    """
    columns = [name for name in NUMBERS if name in rows]
    return rows.groupby(list(keys), sort=False)[columns].mean().reset_index()


def places_of(rows: pd.DataFrame) -> list[Place]:
    """Return the places of a table's rows, in order."""
    found = rows[PLACE].drop_duplicates().itertuples(index=False)
    return [(str(dataset), str(network), int(cut)) for dataset, network, cut in found]


def at_place(rows: pd.DataFrame, place: Place) -> pd.DataFrame:
    """Return the rows of one place."""
    dataset, network, cut = place
    here = (rows["dataset"] == dataset) & (rows["architecture"] == network)
    return rows[here & (rows["truncation"] == cut)]


def place_title(place: Place, places: Sequence[Place]) -> str:
    """Name what a place differs in from the others; one place: ``""``."""
    words = (place[0], place[1], place_words("truncation", place[2]))
    told = [len({each[i] for each in places}) > 1 for i in range(3)]
    return ", ".join(word for word, differs in zip(words, told, strict=True) if differs)


def protocols_of(rows: pd.DataFrame) -> list[str]:
    """Return the protocols of trained networks, in order."""
    names = pd.concat([rows["left_protocol"], rows["right_protocol"]])
    return [str(name) for name in dict.fromkeys(names) if name]


def moment(row: dict[Any, Any], several: bool) -> str:
    """Say when two states were compared, as in a panel's title.

    Args:
        row: A row of similarity.csv.
        several: Whether the study has several protocols, which then name the moment.
    """
    if row["right_state"] == INITIAL:
        return BEFORE
    left, right = row["left_protocol"], row["right_protocol"]
    if row["left_state"] == FINAL and left != right:
        return f"{left} – {right}"
    return str(right) if several else AFTER


def arm_name(pretraining: str, protocol: str, state: str, several: bool) -> str:
    """Name a state of a matrix, or with an empty state the network that was tested."""
    if state == INITIAL:
        return f"{pretraining}, before"
    if several:
        return f"{pretraining}, {protocol}"
    return f"{pretraining}, after" if state else pretraining


def rank_of(pretrainings: Sequence[str], name: str) -> tuple[int, str]:
    """Return where what `arm_name` named stands in a matrix: by pretraining, then by name."""
    known = [n for n, one in enumerate(pretrainings) if name == one or name.startswith(f"{one}, ")]
    return (known[-1] if known else len(pretrainings), name)


def left_out(places: Sequence[Place], table: str) -> str:
    """Say how many places are not drawn; empty where all are."""
    if len(places) <= MOST:
        return ""
    return (
        f" Of {len(places)} data sets and networks the first {MOST} are drawn; the others stand "
        f"in {table}."
    )
