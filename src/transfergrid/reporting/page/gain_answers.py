"""Whether similarity goes with gain, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from transfergrid.reporting.measure_words import plain
from transfergrid.reporting.page.answer import Answer, Manner, Told, bounds_of, is_clear
from transfergrid.reporting.page.findings import findings
from transfergrid.reporting.words import capital, difference, known, level

PAIRS = {
    "before_after": "of a network after training with what it started from",
    "sources_before": "of two sources as they were released",
    "sources_after": "of networks from two sources, trained alike",
    "seeds": "of two seeds of one source",
    "protocols": "of one source by two recipes",
    "random": "of a network with one whose weights were drawn at random",
    "drawn": "of two networks, one or both of which start without a source's weights",
}
QUANTITIES = {
    "pooled_r": "r with the plain gain, pooled",
    "pooled_rho": "Spearman's ρ with the plain gain, pooled",
    "within_r": "r with the plain gain, within a data set",
    "relative_pooled_r": "r with the relative gain, pooled",
    "relative_pooled_rho": "Spearman's ρ with the relative gain, pooled",
    "relative_within_r": "r with the relative gain, within a data set",
}
TOLD = {"pooled_r": "over all data sets", "within_r": "within a data set"}
"""Quantities that are told in a sentence of their own."""
Row = Mapping[Any, Any]


def text(question: Mapping[str, Any], manner: Manner) -> str:
    """Put a question into words, except for what limits it."""
    where = f" in {question['layer']}" if question["layer"] else ""
    measure = plain(str(question["measure"]))
    return (
        f"Does the similarity {PAIRS[question['pair']]}{where}, by {measure}, go with "
        f"the gain over {question['baseline']} weights"
    )


def method(rows: pd.DataFrame) -> list[str]:
    """Return what the methods say of such questions."""
    return [
        "Similarity is set against gain twice: pooled over data sets (Pearson's r and Spearman's "
        "ρ; the interval takes data sets as a sample, by a jackknife), and within data sets "
        "(repeated-measures correlation, Bland and Altman 1995). Only the second says whether, on "
        "one data set, networks that are more alike gain more, so that the two are only set "
        "against each other where its interval excludes 0: they agree where the pooled value has "
        "its sign, and are opposite where it has not, which counts as shown where the pooled "
        "interval excludes 0 too. Seeds and folds of a data set are taken for independent; gains "
        "that share a random arm are less so. Intervals are not adjusted for the number of layers, "
        "starts and recipes."
    ]


def told(question: Mapping[str, Any], rows: pd.DataFrame, manner: Manner) -> Told:
    """Put its rows of findings.csv into words: r in sentences, all else as quantities."""
    said = rows["quantity"].isin(TOLD) & rows["value"].notna()
    answers = tuple(_answer(row, manner) for row in rows[said].to_dict("records"))
    return Told(answers, findings(rows[~said], QUANTITIES))


def _answer(row: Row, manner: Manner) -> Answer:
    value, low, high = row["value"], row["low"], row["high"]
    bounds = bounds_of(low, value, high)
    clear, where = is_clear(bounds), TOLD[row["quantity"]]
    if clear:
        lead = f"{where} gain {'rises' if value > 0 else 'falls'} with similarity:"
    else:
        lead = f"{where} no relation of similarity and gain could be shown:"
    found = f"with {level(manner.confidence)} interval" if bounds else "no interval"
    parts = (row["note"], f"Pearson's r with the plain gain, {found}", f"method: {row['method']}")
    return Answer(
        subject=str(row["subject"]) if known(row["subject"]) else "",
        lead=capital(lead),
        number=f"r {difference(value, low, high, 2)}",
        rest="",
        support=tuple(str(part) for part in parts if known(part)),
        bounds=bounds,
        clear=clear,
    )
