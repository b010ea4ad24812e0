"""Which learning rates the trials chose, by recipe and initial weights."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from transfergrid.reporting.words import plural

_SHARED = ["dataset", "protocol", "pretraining"]


@dataclass(frozen=True)
class Taken:
    """The choices of one data set, protocol and pretraining.

    Attributes:
        dataset: Where.
        protocol: The recipe.
        pretraining: The initial weights.
        counts: How often each of `Rates.tried` was taken; None where it was not tried.
        tunings: How many rates had to be chosen: one per network and truncation.
        edge: How many of those taken lie at an end of what was tried.
        open: How many are not chosen: trials are missing, or all of them diverged.
    """

    dataset: str
    protocol: str
    pretraining: str
    counts: tuple[int | None, ...]
    tunings: int
    edge: int
    open: int


@dataclass(frozen=True)
class Rates:
    """The summary of tuning.csv.

    Attributes:
        tried: Every rate that was tried, as text, rising.
        rows: One per data set, protocol and pretraining.
        sentence: How many rates were chosen from how many trials, in words.
        warning: How many lie at an end of what was tried, in words; empty if none does.
    """

    tried: tuple[str, ...]
    rows: tuple[Taken, ...]
    sentence: str
    warning: str


def rates(table: pd.DataFrame) -> Rates | None:
    """Count the choices in tuning.csv; None where nothing was tuned."""
    if table.empty:
        return None
    tried = sorted(table["learning_rate"].unique())
    rows = []
    for key, part in table.groupby(_SHARED, sort=False):
        dataset, protocol, pretraining = map(str, key)
        taken, here = part[part["chosen"]], set(part["learning_rate"])
        counts = [int((taken["learning_rate"] == r).sum()) if r in here else None for r in tried]
        n, edge = int(part["tuning"].nunique()), int(taken["at_edge"].sum())
        left = n - len(taken)
        rows.append(Taken(dataset, protocol, pretraining, tuple(counts), n, edge, left))
    done = sum(row.tunings - row.open for row in rows)
    edge = sum(row.edge for row in rows)
    return Rates(
        tried=tuple(f"{rate:g}" for rate in tried),
        rows=tuple(rows),
        sentence=_sentence(table, done, sum(row.open for row in rows)),
        warning=_warning(edge, done),
    )


def _sentence(table: pd.DataFrame, done: int, left: int) -> str:
    # Protocols that try a rate in the same way share the trial.
    ended = table[table["status"] != "missing"].drop_duplicates("cell")
    text = f"{plural(done, 'rate')} chosen from {plural(len(ended), 'trial')}"
    diverged = int((ended["status"] == "diverged").sum())
    text += f", of which {diverged} diverged" if diverged else ""
    return text + (f"; {left} not chosen yet, or without a trial that has a score" if left else "")


def _warning(edge: int, done: int) -> str:
    if not edge:
        return ""
    lie = "lies" if edge == 1 else "lie"
    return (
        f"{edge} of {done} chosen rates {lie} at an end of what was tried, so that a better one "
        "may lie outside. An arm whose rates lie there more often than another's is at a "
        "disadvantage."
    )
