"""What is tested: studies, or the films of data sets with masks, each a case of its own."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import pandas as pd

from transfergrid.reporting.words import plural, plurals


def masked_datasets(cards: Mapping[str, Mapping[str, Any]]) -> frozenset[str]:
    """Return the names of the data sets with masks.

    Args:
        cards: Per data set name its card.json.
    """
    return frozenset(name for name, card in cards.items() if card.get("masks"))


def cases(values: pd.Series | float, datasets: Iterable[str], masked: Collection[str]) -> str:
    """Print how many cases there are: ``300 studies``, or ``16 films`` with masks.

    Args:
        values: A number, or several that may differ.
        datasets: The data sets that they are of.
        masked: Names of the data sets with masks.
    """
    kinds = {name in masked for name in datasets}
    one, many = ("film", "films") if kinds == {True} else ("study", "studies")
    if len(kinds) > 1:
        one, many = "study or film", "studies or films"
    if isinstance(values, pd.Series):
        return plurals(values, one, many)
    return plural(values, one, many)
