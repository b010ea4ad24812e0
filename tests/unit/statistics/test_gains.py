"""Similarity against gain from made-up tables, against the same numbers put together by hand."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from unit.statistics.made_up_gains import (
    ARMS,
    SEEDS,
    SHIFT,
    basis_of,
    cells_of,
    likeness,
    row,
    similarity_of,
)
from unit.statistics.made_up_reader import reader_of

from transfergrid.catalog.gain_question import MEASURES, PAIRS
from transfergrid.catalog.questions import kind_of
from transfergrid.planning import state_pairs
from transfergrid.planning.claims import known_claims
from transfergrid.similarity import measures
from transfergrid.statistics.alike import alike
from transfergrid.statistics.claims import judge
from transfergrid.statistics.gain_points import points_of
from transfergrid.statistics.gains import similarity_gain

QUESTION: dict[str, Any] = {
    "name": "gain",
    "kind": "similarity_gain",
    "measure": "cka",
    "layer": "block1",
    "pair": "before_after",
    "baseline": "random",
    "where": {},
}


def answered(question: dict[str, Any] = QUESTION, folds: int = 0) -> Any:
    return similarity_gain(question, basis_of(cells_of(folds), similarity=similarity_of(folds)))


def by_quantity(found: Any, pretraining: str) -> dict[str, Any]:
    return {one.quantity: one for one in found.rows if one.place["pretraining"] == pretraining}


def test_similarities_meet_the_gain_of_their_own_cell() -> None:
    found = answered()
    table = pd.DataFrame(found.beside["gains"])
    assert len(table) == len(SHIFT) * 2 * len(SEEDS) and not found.left_out
    for point in table.to_dict("records"):
        alike = likeness(point["pretraining"], int(point["seed"]))
        assert point["similarity"] == pytest.approx(SHIFT[point["dataset"]] + alike)
        gain = 0.1 + SHIFT[point["dataset"]] - 0.1 * alike
        assert point["gain"] == pytest.approx(gain)
        assert point["relative_gain"] == pytest.approx(gain / (0.6 + 0.01 * int(point["seed"])))
    assert set(table["n_cells"]) == {1}


@pytest.mark.parametrize("pretraining", ARMS[1:])
def test_pooled_and_within_and_that_they_disagree(pretraining: str) -> None:
    found = by_quantity(answered(), pretraining)
    own = pd.DataFrame(answered().beside["gains"])
    own = own[own["pretraining"] == pretraining]
    assert found["within_r"].value == pytest.approx(-1)
    assert found["pooled_r"].value == pytest.approx(stats.pearsonr(own.similarity, own.gain)[0])
    assert found["relative_pooled_r"].value == pytest.approx(
        stats.pearsonr(own.similarity, own.relative_gain)[0]
    )
    assert found["pooled_rho"].value == pytest.approx(stats.spearmanr(own.similarity, own.gain)[0])
    assert found["pooled_r"].value > 0
    # Exactly -1 has no interval by Fisher's z, and a jackknife over three targets says little.
    assert "12 points of 3 data sets" in found["pooled_r"].note


def test_the_note_says_that_they_disagree() -> None:
    cells = cells_of()
    cells["score"] += 0.002 * np.random.default_rng(0).normal(size=len(cells))
    found = similarity_gain(QUESTION, basis_of(cells, similarity=similarity_of()))
    one = by_quantity(found, "imagenet")["within_r"]
    assert one.high < 0 and "opposite sign of what was shown" in one.note
    assert one.evidence().condition == one.note


def test_pairs_of_seeds_share_networks_and_have_no_interval_within() -> None:
    rng = np.random.default_rng(0)
    pairs = [
        row(
            "seeds",
            dataset,
            *(("imagenet", "p", float(seed), "final") for seed in ends),
            rng.random(),
        )
        for dataset in SHIFT
        for ends in itertools.combinations(SEEDS, 2)
    ]
    basis = basis_of(cells_of(), similarity=pd.DataFrame(pairs))
    found = by_quantity(similarity_gain({**QUESTION, "pair": "seeds"}, basis), "imagenet")
    within = found["within_r"]
    assert "18 points of 3 data sets" in within.note and "share networks" in within.method
    assert math.isnan(within.low) and not math.isnan(within.value)
    assert not math.isnan(found["pooled_r"].low)  # data sets are independent


def test_folds_are_points_of_their_own() -> None:
    table = pd.DataFrame(answered(folds=2).beside["gains"])
    assert len(table) == 2 * len(SHIFT) * 2 * len(SEEDS)
    assert set(table["fold"]) == {"0", "1"} and table["gain"].max() < 1  # no pooled score of 9


@pytest.mark.parametrize(
    ("pair", "cells", "name"),
    [
        ("random", 1, "radimagenet"),
        ("sources_after", 2, "imagenet and radimagenet"),
        ("sources_before", 8, "imagenet and radimagenet"),
    ],
)
def test_a_pair_gains_what_its_networks_do(pair: str, cells: int, name: str) -> None:
    table = pd.DataFrame(answered({**QUESTION, "pair": pair}).beside["gains"])
    assert set(table["n_cells"]) == {cells} and set(table["pretraining"]) == {name}
    first = table.iloc[0]
    known = cells_of().set_index("cell")["score"]
    seeds = [int(first["seed"].split(" and ")[0])] if first["seed"] else list(SEEDS)
    arms = name.split(" and ")
    gains = [
        known[f"breast-{a}-{s}-all"] - known[f"breast-random-{s}-all"] for a in arms for s in seeds
    ]
    assert first["gain"] == pytest.approx(np.mean(gains))


def test_of_a_loss_less_is_a_gain() -> None:
    basis = basis_of(cells_of(), similarity=similarity_of())
    basis.reader.metric_of = lambda dataset, name=None: {"higher_is_better": False}
    points, _ = points_of(QUESTION, basis)
    assert all(point.gain < 0 for point in points)


def test_cells_without_a_random_arm_are_left_out_and_told() -> None:
    cells = cells_of()
    lost = (cells["pretraining"] == "random") & (cells["seed"] == 0) & (cells["dataset"] == "knee")
    found = similarity_gain(QUESTION, basis_of(cells[~lost], similarity=similarity_of()))
    assert len(found.beside["gains"]) == len(SHIFT) * 2 * len(SEEDS) - 2
    assert found.left_out == [
        "question 'gain': 2 cells without a score, or without one of random weights by the same "
        "recipe and seed, left out."
    ]
    nothing = similarity_gain(QUESTION, basis_of(cells))
    assert nothing.rows == [] and "no pair was compared" in nothing.left_out[0]


def test_where_keeps_the_random_arm() -> None:
    found = answered({**QUESTION, "where": {"pretraining": "imagenet", "dataset": "knee"}})
    table = pd.DataFrame(found.beside["gains"])
    assert set(table["pretraining"]) == {"imagenet"} and set(table["dataset"]) == {"knee"}
    one = found.rows[0]
    assert one.place["dataset"] == "knee" and "of one data set" in one.note


def test_measures_and_pairs_are_those_of_similarities() -> None:
    assert measures.MEASURES == MEASURES and tuple(state_pairs.PAIRS) == PAIRS
    assert kind_of(QUESTION).name == "similarity_gain"


def claim(name: str) -> dict[str, Any]:
    return dict(known_claims()[name])


def judged(name: str, rows: Any, stands_for: dict[str, str] | None = None) -> list[Any]:
    reader = reader_of([{"cell": "c", "dataset": "breast"}], {}, {})
    reader.card = lambda cell: {"synthetic": False}
    reader.study = {"metrics": {"auroc": {"roc_area": True}}}
    asked = {"claims": [claim(name)], "where": {}, "stands_for": stands_for or {}}
    return judge(asked, [one.evidence() for one in rows], reader)


def found_alike(source: str = "imagenet", beside: Any = None) -> Any:
    features = pd.concat([similarity_of(), beside]).assign(measure="mean_cca")
    pairs = [("sources", ("imagenet", "radimagenet"), 0.8), ("seeds", ("imagenet",) * 2, 0.75)]
    agreement = pd.DataFrame(
        {
            **row(pair, dataset, (ends[0], "p", 0.0, ""), (ends[1], "p", 0.0, ""), value),
            "task": np.nan,
            "measure": "excess_agreement",
        }
        for dataset in SHIFT
        for pair, ends, value in pairs
    )
    tables = {"similarity": features, "agreement": agreement}
    tables = {k: t.replace({"imagenet": source}) for k, t in tables.items()}
    return alike({"name": "sources compared", "kind": "alike"}, basis_of(cells_of(), **tables))


def test_sources_against_before_chance_and_seeds() -> None:
    found = {one.quantity: one for one in found_alike().rows if one.place["dataset"] == "chest"}
    expected = {
        "sources_after": (0.3, 0.25, 0.35),
        "sources_after_minus_random": (0.1, 0.0, 0.2),
        "sources_after_minus_before": (-0.25, -0.35, -0.15),
        "sources_agree": (0.8, 0.75, 0.85),
        "sources_agree_minus_seeds": (0.05, -0.05, 0.15),
    }
    assert found.keys() == expected.keys()
    for name, numbers in expected.items():
        one = found[name]
        assert (one.value, one.low, one.high) == pytest.approx(numbers)


def test_seeds_of_weights_that_a_source_gave_some_of_are_no_chance() -> None:
    seeds = similarity_of()
    seeds = seeds[(seeds["pair"] == "seeds") & (seeds["left_state"] == "initial")]
    kept = seeds.assign(left_pretraining="kept", right_pretraining="kept", value=0.95)
    quantity = "sources_after_minus_random"
    ours, theirs = (
        [one.value for one in found.rows if one.quantity == quantity]
        for found in (found_alike(), found_alike(beside=kept))
    )
    assert len(kept) and ours and ours == theirs


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("jd.diverge", "reproduced"),
        ("jd.distinct_reps", "undecided"),
        ("jd.predictions_similar", "reproduced"),
        ("jd.predictions_similar.seeds", "reproduced"),
    ],
)
@pytest.mark.parametrize("own", ["imagenet", "birds"])
def test_claims_of_sources_are_judged_a_data_set_at_a_time(
    name: str, verdict: str, own: str
) -> None:
    found = judged(name, found_alike(own).rows, {"birds": "imagenet"})
    assert [one.verdict for one in found] == [verdict] * len(SHIFT)
    assert all(("birds stands for imagenet" in one.evidence) is (own == "birds") for one in found)


@pytest.mark.parametrize(
    ("name", "value", "low", "high", "verdict"),
    [
        ("jd.sim_vs_gain", 0.0, -0.2, 0.2, "reproduced"),
        ("jd.sim_vs_gain", -0.6, -0.8, -0.2, "not reproduced"),
        ("jd.v1.sim_vs_gain", -0.6, -0.8, -0.2, "reproduced"),
        ("jd.v1.sim_vs_gain", 0.0, -0.2, 0.2, "undecided"),
        ("jd.v1.sim_vs_gain", 0.4, math.nan, math.nan, "undecided"),
        ("jd.v1.sim_vs_gain", 0.6, 0.1, 0.8, "not reproduced"),
    ],
)
@pytest.mark.parametrize("within", [False, True])
def test_both_versions_of_the_paper_are_judged_by_one_number(
    name: str, value: float, low: float, high: float, verdict: str, within: bool
) -> None:
    quantity = "relative_within_r" if within else "relative_pooled_r"
    rows = [
        replace(one, value=value, low=low, high=high)
        for one in answered().rows
        if one.quantity == quantity and one.place["pretraining"] == "radimagenet"
    ]
    found = judged(f"{name}.within" if within else name, rows)
    assert [one.verdict for one in found] == [verdict]
    assert found[0].data == "breast, chest, knee" and "data sets" in found[0].evidence
