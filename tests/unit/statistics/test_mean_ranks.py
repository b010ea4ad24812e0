"""Mean ranks of methods over data sets: which runs count, and what is one block."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from unit.statistics.made_up_reader import reader_of
from unit.statistics.test_rank_tests import DEMSAR

from transfergrid.metrics.influence import Influence
from transfergrid.statistics.basis import Answered, Basis
from transfergrid.statistics.mean_ranks import SEVERAL, mean_ranks

METHODS = ("random", "imagenet", "films", "scans")
QUESTION: dict[str, Any] = {
    "name": "order",
    "kind": "mean_ranks",
    "axis": "pretraining",
    "metric": None,
    "rope": 0.01,
    "where": {},
}
SEEDS = 3


def answered(
    scores: np.ndarray,
    seeds: int = SEEDS,
    losses: tuple[int, ...] = (),
    missing: tuple[tuple[int, int], ...] = (),
    recipes: bool = False,
    **asked: Any,
) -> Answered:
    """Answer for (n, k) mean scores, spread over seeds; `losses` are data sets of a loss."""
    rng = np.random.default_rng(4)
    entries, runs = [], {}
    for d, row in enumerate(scores):
        for m, mean in enumerate(row):
            noise = rng.normal(size=seeds)
            for seed in range(seeds):
                if (d, m) in missing:
                    continue
                place = {"dataset": f"d{d:02}", "architecture": "net", "pretraining": METHODS[m]}
                place |= {"truncation": 0, "protocol": f"p{d}" if recipes else "p"}
                cell = f"{d}-{m}-{seed}"
                entries.append({**place, "cell": cell, "seed": seed, "role": "target"})
                value = mean + 0.003 * (noise[seed] - noise.mean())
                value = -value if d in losses else value
                runs[cell] = Influence(float(value), np.arange(3), np.zeros(3))
    reader: Any = reader_of(entries, runs, {})
    reader.metric_of = lambda dataset, name=None: {
        "name": "loss" if int(dataset[1:]) in losses else "auroc",
        "higher_is_better": int(dataset[1:]) not in losses,
    }
    study = {"evaluation": {"bootstrap": {"seed": 0}}}
    return mean_ranks({**QUESTION, **asked}, Basis(study, pd.DataFrame(), reader, 0.05))


def tables(found: Answered) -> tuple[pd.DataFrame, pd.DataFrame]:
    return pd.DataFrame(row.columns() for row in found.rows), pd.DataFrame(
        found.beside["mean_ranks"]
    )


def test_the_tables_hold_what_r_and_baycomp_give_of_demsars_data() -> None:
    pairs, means = tables(answered(DEMSAR))
    assert list(means["method"]) == ["scans", "imagenet", "films", "random"]
    assert list(means["mean_rank"]) == pytest.approx([1.928571, 2, 2.928571, 3.142857], abs=1e-6)
    assert set(means["n_datasets"]) == {14} and set(means["n_methods"]) == {4}
    first = means.iloc[0]
    assert (first["friedman_chi2"], first["p_iman_davenport"]) == pytest.approx(
        (10.952381, 0.00762884), abs=1e-6
    )
    assert first["mean_score"] == pytest.approx(DEMSAR[:, 3].mean())
    row = pairs.set_index(["a", "b"]).loc[("scans", "random")]
    assert row["p_nemenyi"] == pytest.approx(0.06168326, abs=1e-7)
    assert row["p_conover_adjusted"] == pytest.approx(6 * 0.00549356, abs=1e-6)
    chances = row[["bayes_better", "bayes_alike", "bayes_worse"]].astype(float).tolist()
    assert chances == pytest.approx([0.9672, 0.0324, 0.0004], abs=0.01)
    assert row["difference"] == pytest.approx((DEMSAR[:, 3] - DEMSAR[:, 0]).mean(), abs=1e-6)
    assert set(pairs["verdict"]) == {"undecided"} and (pairs["rank_difference"] <= 0).all()


def test_more_seeds_are_no_more_blocks() -> None:
    """Ten times the trials of the same data sets leave each test as it was."""
    few, many = (tables(answered(DEMSAR[:5], seeds=seeds)) for seeds in (2, 20))
    for name in ("friedman_chi2", "p_iman_davenport", "critical_difference", "n_datasets"):
        assert few[1][name].tolist() == many[1][name].tolist()
    # The error of a mixed model's difference is what methods do on single data sets.
    cells = DEMSAR[:5] - DEMSAR[:5].mean(axis=0) - DEMSAR[:5].mean(axis=1, keepdims=True)
    se = math.sqrt(2 / 5 * ((cells + DEMSAR[:5].mean()) ** 2).sum() / 12)
    for pairs, _ in (few, many):
        expected = 2 * stats.t.sf(pairs["difference"].abs() / se, 12)
        assert pairs["p_mixed"].tolist() == pytest.approx(expected.tolist(), abs=5e-3)
    assert few[0]["bayes_better"].tolist() == many[0]["bayes_better"].tolist()


def test_how_hard_the_data_sets_are_hides_no_difference() -> None:
    """Adding to all methods of a data set what it is easier by changes no answer."""
    rng = np.random.default_rng(0)
    scores = 0.5 + 0.01 * np.arange(4) + 0.004 * rng.normal(size=(20, 4))
    alike, unlike = (
        tables(answered(scores + ease))[0] for ease in (0, rng.uniform(0, 0.4, (20, 1)))
    )
    for name in ("difference", "low", "high", "p_mixed", "rank_difference", "bayes_better"):
        assert unlike[name].tolist() == pytest.approx(alike[name].tolist(), rel=2e-3, abs=1e-4)
    assert (unlike["p_mixed"] < 1e-3).all() and unlike["verdict"].eq("better").sum() >= 3


def test_what_wins_nearly_everywhere_is_better_whatever_the_medians() -> None:
    """Better on 18 of 20 data sets; the two on which it loses are those in the middle."""
    old = np.r_[0.51, 0.53, 0.56, 0.59, np.linspace(0.8, 0.99, 16)]
    new = old + 0.01
    new[9:11] = old[9:11] - 0.005
    assert np.median(new) < np.median(old)
    for scores in (np.c_[new, old], np.c_[old, new]):
        (row,) = answered(scores).rows
        found = row.columns()
        assert METHODS.index(found["a"]) == int(scores[0, 1] > scores[0, 0])
        assert found["difference"] > 0 and found["rank_difference"] == pytest.approx(-0.8)
        assert found["verdict"] == "better" and found["p_mixed"] < 1e-4


def test_where_all_data_sets_agree_the_best_is_better_than_the_last() -> None:
    scores = np.tile([0.6, 0.9, 0.8, 0.7], (8, 1)) + 0.01 * np.arange(8)[:, None]
    pairs, means = tables(answered(scores))
    assert list(means["method"]) == ["imagenet", "films", "scans", "random"]
    critical = means["critical_difference"].iloc[0]
    assert 1 < critical < 2
    for row in pairs.to_dict("records"):
        assert row["verdict"] == ("better" if -row["rank_difference"] > critical else "undecided")
    assert math.isinf(means["iman_davenport_f"].iloc[0])
    assert means["p_iman_davenport"].iloc[0] == pytest.approx(1 / math.factorial(4) ** 7)


def test_a_loss_ranks_the_other_way_and_has_no_common_unit_with_a_score() -> None:
    plain = tables(answered(DEMSAR[:6]))[1]
    pairs, mixed = tables(answered(DEMSAR[:6], losses=(0, 3)))
    pd.testing.assert_series_equal(plain["mean_rank"], mixed["mean_rank"])
    assert set(mixed["note"]) == {SEVERAL} and pairs["difference"].isna().all()
    assert set(mixed["metric"]) == {"loss; auroc"} and mixed["mean_score"].isna().all()
    every = tables(answered(DEMSAR[:6], losses=tuple(range(6))))[1]
    assert every["mean_score"].tolist() == pytest.approx((-plain["mean_score"]).tolist())


def test_a_data_set_without_a_method_is_named_and_kept_by_the_model_alone() -> None:
    found = answered(DEMSAR[:6], missing=((2, 1),))
    assert found.left_out == ["order: the study has not every method on d02; it is left out."]
    _, means = tables(found)
    kept = np.delete(DEMSAR[:6], 2, axis=0)
    assert set(means["n_datasets"]) == {5}
    ranks = stats.rankdata(-kept, axis=1).mean(axis=0)
    assert sorted(means["mean_rank"]) == pytest.approx(sorted(ranks))
    lone = answered(DEMSAR[:2], missing=((0, 1),))
    assert (
        not lone.rows and "no two data sets with a score of every pretraining" in lone.left_out[0]
    )


def test_data_sets_may_have_recipes_of_their_own() -> None:
    pairs, _ = tables(answered(DEMSAR[:5], recipes=True))
    assert len(pairs) == 6 and set(pairs["protocol"]) == {""}
    assert set(tables(answered(DEMSAR[:5]))[0]["architecture"]) == {"net"}


def test_claims_are_judged_by_the_mixed_model() -> None:
    row = answered(DEMSAR).rows[0]
    found, columns = row.evidence(), row.columns()
    assert (found.value, found.low, found.high) == tuple(
        columns[name] for name in ("difference", "low", "high")
    )
    assert found.keys["a"] == columns["a"] and found.keys["kind"] == "mean_ranks"
    # A claim says where it was judged, and whether those images are drawn.
    assert len(found.keys["datasets"]) == columns["n_datasets"] == 14
