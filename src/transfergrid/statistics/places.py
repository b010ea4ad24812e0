"""Where in the grid a number belongs: axes, groups of networks, and their names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

AXES = ("dataset", "architecture", "pretraining", "truncation", "protocol")

Place = Mapping[str, Any]
"""Axis -> value."""


def words(place: Place) -> str:
    """Return a place in words, such as ``imagenet drop1 films finetune``."""
    order = ("architecture", "pretraining", "truncation", "dataset", "protocol")
    named = {**place}
    if "truncation" in named:
        named["truncation"] = f"drop{named['truncation']}"
    return " ".join(str(named[name]) for name in order if name in named)


def groups_of_networks(
    cells: pd.DataFrame, study: Mapping[str, Any], where: Place
) -> Iterator[tuple[Place, pd.DataFrame]]:
    """Yield the cells that differ in network and seed alone, with what they share.

    Networks may differ in their recipe as long as each has one; otherwise each recipe is a group.

    Args:
        cells: Rows of tables/cells.csv; only those of the primary selection count.
        study: The study as its stamp holds it.
        where: Values that cells must have.
    """
    cells = cells[cells["selection"] == study["evaluation"]["primary"]]
    for axis, wanted in where.items():
        cells = cells[cells[axis] == wanted]
    others = ["dataset", "pretraining", "truncation"]
    if (cells.groupby([*others, "architecture"])["protocol"].nunique() > 1).any():
        others.append("protocol")
    for key, group in cells.groupby(others, sort=False):
        yield dict(zip(others, key, strict=True)), group
