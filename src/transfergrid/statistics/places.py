"""Where in the grid a number belongs: axes, groups of networks, and their names."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import pandas as pd

from transfergrid.catalog.axes import PLACE
from transfergrid.planning.grid import ALL
from transfergrid.planning.wanted import each

Place = Mapping[str, Any]
"""Axis -> value."""


ORDER = ("architecture", "pretraining", "truncation", "dataset", "protocol")
"""The axes in the order in which a place is told."""
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def place_words(axis: str, value: Any) -> str:
    """Put one value of an axis into words, such as ``one block removed``."""
    if axis == "truncation":
        return f"{blocks(int(value))} removed" if int(value) else "whole network"
    forms = {"pretraining": "{} weights", "dataset": "on {}", "protocol": "recipe {}"}
    return forms.get(axis, "{}").format(value)


def blocks(number: int) -> str:
    """Return a number of blocks in words, such as ``one block``."""
    word = NUMBERS[number] if number < len(NUMBERS) else str(number)
    return f"{word} block{'s' if number > 1 else ''}"


def value_words(axis: str, value: Any) -> str:
    """Put one arm of a comparison into words: its name, or what is left of the network."""
    return place_words(axis, value) if axis == "truncation" else str(value)


def words(place: Place, varying: Collection[str] = ORDER) -> str:
    """Return a place in words, such as ``imagenet weights, one block removed, on films``.

    Args:
        place: Axis -> value.
        varying: The axes on which the cells of the study differ; others go without saying.
    """
    told = [place_words(axis, place[axis]) for axis in ORDER if axis in place and axis in varying]
    return ", ".join(told)


def key(place: Place) -> str:
    """Return a place as the text that random draws are seeded with, which never changes."""
    named = {**place}
    if "truncation" in named:
        named["truncation"] = f"drop{named['truncation']}"
    return " ".join(str(named[name]) for name in ORDER if name in named)


def varying_axes(targets: Collection[Place]) -> frozenset[str]:
    """Return the axes on which the runs of a study's grid differ."""
    return frozenset(axis for axis in PLACE if len({cell[axis] for cell in targets}) > 1)


def pooled(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of cells.csv that count: of runs with folds, what is pooled over them."""
    return cells[cells["fold"].astype(str) == ALL] if "fold" in cells else cells


def place_of_pair(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return where two states lie: of the axes on which they may differ, what either has.

    Args:
        row: A row of tables/similarity.csv.
    """
    place = {axis: row[axis] for axis in ("dataset", "architecture", "truncation")}
    for axis in ("pretraining", "protocol", "seed"):
        ends = [row[f"{side}_{axis}"] for side in ("left", "right")]
        # An initial state has no protocol, and no seed where all seeds share it.
        there = [end for end in ends if not pd.isna(end) and end != ""]
        place[axis] = [int(end) for end in there] if axis == "seed" else there
    return place


def groups_of_networks(
    cells: pd.DataFrame, study: Mapping[str, Any], where: Place, axis: str = "architecture"
) -> Iterator[tuple[Place, pd.DataFrame]]:
    """Yield the cells that differ in one axis and seed alone, with what they share.

    Networks may differ in their recipe as long as each has one; otherwise each recipe is a group.

    Args:
        cells: Rows of tables/cells.csv; only those of the primary selection count, and of runs
            that are cross-validated only what is pooled over their folds.
        study: The study as its stamp holds it.
        where: Values that cells must have; of a list, one.
        axis: The axis on which they differ: architecture, pretraining or truncation.
    """
    cells = cells[cells["selection"] == study["evaluation"]["primary"]]
    cells = pooled(cells)
    for name, wanted in where.items():
        cells = cells[cells[name].isin(each(wanted))]
    every = ("dataset", "architecture", "pretraining", "truncation")
    others = [name for name in every if name != axis]
    if (cells.groupby([*others, axis])["protocol"].nunique() > 1).any():
        others.append("protocol")
    for key, group in cells.groupby(others, sort=False):
        yield dict(zip(others, key, strict=True)), group
