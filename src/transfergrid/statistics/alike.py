"""How alike two sources of weights are: after against before, against chance, and in what they say.

Published claims are about these numbers; where a study compares networks, they are there unasked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from transfergrid.planning.state_pairs import INITIAL
from transfergrid.statistics.anova import Interval
from transfergrid.statistics.basis import Answered, Basis, Question
from transfergrid.statistics.bounded import mean_of, minus
from transfergrid.statistics.findings import Finding
from transfergrid.statistics.places import varying_axes, words

MEASURES = ("mean_cca", "cka_debiased")
"""The measure of the paper, and one whose floor is near 0."""
WAY = "bounds: means, or differences, of the pairs' own, which is no narrower than the interval"
_PLACE = ["dataset", "architecture", "truncation"]
_ENDS = ["left_pretraining", "right_pretraining"]
Place = dict[str, Any]


def alike(question: Question, basis: Basis) -> Answered:
    """Compare sources of weights, two by two, on each data set.

    Args:
        question: Stands for one that no study asks.
        basis: What it is answered from.
    """
    tables = basis.compared
    found = list(_features(question, tables.get("similarity", pd.DataFrame()), basis))
    found += _predictions(question, tables.get("agreement", pd.DataFrame()), basis)
    return Answered(found)


def _features(question: Question, table: pd.DataFrame, basis: Basis) -> Iterator[Finding]:
    if table.empty:
        return
    table = table[table["measure"].isin(MEASURES) & (table["layer"] != "pooled")]
    own = [*_PLACE, "measure"]
    drawn = table[(table["pair"] == "seeds") & (table["left_state"] == INITIAL)]
    drawn = drawn[drawn["left_pretraining"].isin(_random(table))]
    by_chance = {key: mean_of(rows) for key, rows in drawn.groupby(own)}
    released = table[table["pair"] == "sources_before"]
    before = {key: mean_of(rows) for key, rows in released.groupby([*own, *_ENDS])}
    trained = table[table["pair"] == "sources_after"]
    for key, rows in trained.groupby([*own, *_ENDS, "left_protocol"], sort=False):
        place = dict(zip([*_PLACE, "measure", *_ENDS, "protocol"], key, strict=True))
        after, where = mean_of(rows), key[: len(own)]
        chance, start = by_chance.get(where), before.get((*where, *key[len(own) : -1]))
        layers = f"mean over {rows['layer'].nunique()} layers"
        told = {"sources_after": (after, layers)}
        if chance is not None:
            told["sources_after_minus_random"] = (
                minus(after, chance),
                f"{layers}, minus that of networks that were drawn from two seeds; {WAY}",
            )
        if start is not None:
            told["sources_after_minus_before"] = (
                minus(after, start),
                f"{layers}, minus that of the sources as released; {WAY}",
            )
        yield from _rows(question, place, told, basis)


def _random(table: pd.DataFrame) -> set[str]:
    """Return the pretrainings that draw all weights at random, as far as pairs tell.

    Weights of which a source gave some differ from seed to seed as well, and are no chance.
    """
    against = set(table.loc[table["pair"] == "random", "left_pretraining"])
    sources = table[table["pair"].isin(["sources_before", "sources_after"])]
    loaded = {name for end in _ENDS for name in sources[end]}
    return against or set(table["left_pretraining"]) - loaded


def _predictions(question: Question, table: pd.DataFrame, basis: Basis) -> Iterator[Finding]:
    if table.empty:
        return
    whole = table["task"].isna() | (table["task"] == "")
    table = table[whole & (table["measure"] == "excess_agreement")]
    seeds = table[table["pair"] == "seeds"]
    for key, rows in table[table["pair"] == "sources"].groupby(
        [*_PLACE, *_ENDS, "left_protocol"], sort=False
    ):
        place = dict(zip([*_PLACE, *_ENDS, "protocol"], key, strict=True))
        place["measure"] = "excess_agreement"
        alone = seeds["left_pretraining"].isin([place[end] for end in _ENDS])
        alone &= seeds["left_protocol"] == place["protocol"]
        for axis in _PLACE:
            alone &= seeds[axis] == place[axis]
        found = mean_of(rows)
        told = {"sources_agree": (found, f"agreement beyond chance, of the most possible; {WAY}")}
        if alone.any():
            told["sources_agree_minus_seeds"] = (
                minus(found, mean_of(seeds[alone])),
                f"the same, minus that of two seeds of one source; {WAY}",
            )
        yield from _rows(question, place, told, basis)


def _rows(
    question: Question, place: Place, told: dict[str, tuple[Interval, str]], basis: Basis
) -> Iterator[Finding]:
    sources, measure = tuple(place.pop(end) for end in _ENDS), place.pop("measure")
    subject = words(place, varying_axes(basis.reader.targets))
    subject = ", ".join(filter(None, [f"{sources[0]} and {sources[1]}", measure, subject]))
    for quantity, (interval, method) in told.items():
        yield Finding(
            question["name"],
            question["kind"],
            subject,
            quantity,
            *interval,
            n=1,
            method=method,
            note="",
            metric=basis.study["primary_metric"][place["dataset"]],
            place=place,
            also={"sources": sources, "measure": measure},
        )
