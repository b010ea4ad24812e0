"""Which column says which part a film is in, train, valid or test, or in which fold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pandas as pd

from transfergrid.commands.guess import Guess, columns_named, is_truth, spaced
from transfergrid.runtime.errors import UserError, listed

SPLIT = r"split|subset|partition|\bset\b|fold"
FOLD = r"\bfolds?\b"
_PARTED = r"\b(split|subset|partition|folds?|(?<!data )set)\b"
"""Of columns that say which part a row is in, whatever they say it with."""
_IN_PART = r"((is|in) )?(train|training|valid|val|validation|test|testing|holdout)( set)?"
"""Of columns of 0 and 1 that say which rows are in one part."""
PARTS = {
    "train": ("train", "training", "tr"),
    "valid": ("valid", "val", "validation", "dev", "tune"),
    "test": ("test", "testing", "ts", "holdout"),
}
PART_OF = {word: part for part, words in PARTS.items() for word in words}
_FEWEST_FOLDS, _MOST_FOLDS = 3, 20


def guess_parts(frame: pd.DataFrame, taken: Iterable[str]) -> list[Guess]:
    """Find the column that says train, valid and test, or which fold.

    Returns:
        A guess of `split` or of `folds`; none where no column says so.

    Raises:
        UserError: One says which images are for validation or test, but not all three parts, or
            says it in words that are not known: a random split would train on some of these.
    """
    columns = part_columns(frame, taken)
    whole = [found for found in columns.values() if isinstance(found, Guess)]
    if not whole:
        for fault in columns.values():
            raise UserError(fault)
        return []
    first = whole[0]
    others = [name for name in columns if name != first.value["column"]]
    told = f"; passed over: {listed(others, 5)}, which may say parts as well" if others else ""
    return [replace(first, why=first.why + told)]


def part_columns(frame: pd.DataFrame, taken: Iterable[str]) -> dict[str, Guess | str]:
    """Return the columns that say which part or fold a row is in, those first that are called so.

    Args:
        frame: Cells as text, blanks as null.
        taken: Columns that are something else.

    Returns:
        By name, what it says; as text why it cannot be used, where it does not say all.
    """
    called = columns_named(frame, SPLIT, taken)
    others = [name for name in frame.columns if name not in {*called, *taken}]
    found = {name: _parts_of(frame, name, name in called) for name in [*called, *others]}
    return {name: parts for name, parts in found.items() if parts is not None}


def _parts_of(frame: pd.DataFrame, name: str, called: bool) -> Guess | str | None:
    values = frame[name].dropna().unique().tolist()
    rule = {
        part: [value for value in values if str(value).lower() in words]
        for part, words in PARTS.items()
    }
    whole = sum(len(words) for words in rule.values()) == len(values)
    if whole and all(rule.values()) and frame[name].notna().all():
        return Guess("split", {"column": name, **rule}, f"the values of column '{name}'")
    if not called:
        parts = sum(map(bool, rule.values())) if whole else 0
        parted = parts > 1 or _says_one_part(frame, name)
    elif folds := _published(frame, name):
        return folds
    else:
        parted = bool(rule["valid"] or rule["test"]) or _says_parts(name, values)
    if not parted:
        return None
    return (
        f"column '{name}' has {listed(values, 5)}, which are not train, valid and test; give each "
        "row one of these (valid can be some of the patients of train), or remove or rename the "
        "column for a random split."
    )


def _says_parts(name: str, values: Sequence[str]) -> bool:
    """Tell whether a column is called a split, and has a few values that may be its parts."""
    called = re.search(_PARTED, spaced(name), re.IGNORECASE)
    return called is not None and 2 <= len(values) <= _MOST_FOLDS


def _says_one_part(frame: pd.DataFrame, name: str) -> bool:
    called = re.fullmatch(_IN_PART, spaced(name).strip(), re.IGNORECASE)
    return called is not None and is_truth(frame[name]) and frame[name].nunique() == 2


def _published(frame: pd.DataFrame, name: str) -> Guess | None:
    """Say that a column has published folds, numbered from 0 or from 1."""
    values = frame[name].dropna()
    numbers = sorted({int(value) for value in values if value.isdecimal()})
    k = values.nunique()
    counted = numbers in (list(range(k)), list(range(1, k + 1)))
    called = re.search(FOLD, spaced(name), re.IGNORECASE)
    if not (called and counted and _FEWEST_FOLDS <= k <= _MOST_FOLDS and len(values) == len(frame)):
        return None
    return Guess("folds", {"k": k, "column": name}, f"column '{name}' has {k} published folds")
