"""What a guess is, and what its makers share: names of columns as words, truths, least counts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

FEWEST = 12
"""Images with and without a label below which it may be missing from a part."""
TRUTH = {"0", "1", "0.0", "1.0", "true", "false"}


@dataclass(frozen=True)
class Guess:
    """Lines of a study's data set.

    Attributes:
        key: The setting.
        value: Its value.
        why: What it rests on, for a comment.
    """

    key: str
    value: Any
    why: str


def columns_named(frame: pd.DataFrame, pattern: str, taken: Iterable[str]) -> list[str]:
    """Return the columns whose names have a pattern, but for those that are something else."""
    apart = set(taken)
    return [
        name
        for name in frame.columns
        if name not in apart and re.search(pattern, spaced(name), flags=re.IGNORECASE)
    ]


def spaced(name: str) -> str:
    """Return a name in which all but letters and digits is blanks."""
    return re.sub(r"[_\W]+", " ", name)


def is_truth(column: pd.Series) -> bool:
    """Tell whether a column has 0 and 1, or true and false, and blanks at most beside these."""
    values = {str(value).lower() for value in column.dropna().unique()}
    return bool(values) and values <= TRUTH
