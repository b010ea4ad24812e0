"""Where a row of a table stands in the grid, in words: only what varies among its neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from transfergrid.reporting.words import capital, known, plural
from transfergrid.statistics.places import ORDER, place_words, value_words

NAMES = {"imagenet": "ImageNet", "chexpert": "CheXpert"}
"""Pretrainings that have a proper name, and what it is."""
_WORDS = ("the ", "one ", "two ", "no ", "neither ", "removing ", "keeping ", "recipe ")
"""What begins with one of them is words and not a network's own name."""


def varying(rows: pd.DataFrame) -> list[str]:
    """Return the axes, beside the network, that tell the rows of a table apart.

    A recipe that follows from the network, say, does not.
    """
    axes = [axis for axis in ORDER if axis in rows and axis != "architecture"]
    axes = [axis for axis in axes if rows[axis].nunique(dropna=False) > 1]
    fewer = [axis for axis in axes if axis != "protocol"]
    others = [name for name in ("architecture", "n_cells", "a", "b", "x") if name in rows]
    return axes if rows.duplicated([*others, *fewer]).any() else fewer


def label(row: Mapping[Any, Any], axes: list[str]) -> str:
    """Return a row's place in words, possibly empty.

    Args:
        row: A row of contrasts.csv or correlations.csv.
        axes: The axes to name, beside the network.
    """
    told = [place_words(axis, row[axis]) for axis in axes if known(row[axis])]
    text = ", ".join(filter(None, (network(row), *told)))
    return capital(text) if text.startswith(("mean of ", "one ", "whole ")) else text


def network(row: Mapping[Any, Any]) -> str:
    """Return the network of a contrast, or the number of networks that it is the mean of."""
    if known(row.get("architecture")):
        return str(row["architecture"])
    if row.get("axis") in (None, "architecture"):
        return ""
    asked: Any = row["n_cells_asked"]
    several = plural(row["n_cells"], "network")
    return (
        f"mean of {several}"
        if asked == row["n_cells"]
        else (f"mean of {row['n_cells']:g} of {plural(asked, 'network')}")
    )


def arms_label(row: Mapping[Any, Any]) -> str:
    """Return what a contrast compares, such as ``imagenet − random``."""
    return " − ".join(value_words(row["axis"], row[name]) for name in ("a", "b"))


def arm(axis: str, value: Any) -> str:
    """Name one arm of a comparison in a sentence, such as ``ImageNet weights``."""
    if axis == "truncation":
        return "the whole network" if int(value) == 0 else place_words(axis, value)
    if axis == "pretraining":
        return f"{weights(value)} weights"
    return place_words(axis, value)


def opening(text: str) -> str:
    """Return a text as the start of a sentence; what is a name and no word stays as it is."""
    weights_of = text.removesuffix(" weights")
    plain = text.startswith(_WORDS) or (weights_of != text and weights_of.isalpha())
    return capital(text) if plain else text


def weights(pretraining: Any) -> str:
    """Return what a pretraining is called in a sentence."""
    return NAMES.get(str(pretraining), str(pretraining))
