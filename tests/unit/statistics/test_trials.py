"""Trials of two arms against R and scipy, and what other patients would make of them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestIndPower
from unit.statistics.made_up_ensembles import build, questions
from unit.statistics.test_answers_of_study import areas
from unit.statistics.test_summaries import SLEEP

from transfergrid.statistics.answers import answer
from transfergrid.statistics.basis import Basis
from transfergrid.statistics.power import trials_needed
from transfergrid.statistics.reader import Reader
from transfergrid.statistics.trials import paired, trials
from transfergrid.statistics.two_samples import welch

QUESTION: dict[str, Any] = {
    "name": "better",
    "kind": "trials",
    "axis": "pretraining",
    "baseline": "random",
    "test": "welch",
    "metric": None,
    "where": {},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, Any]:
    """Areas by scikit-learn, and the tables of both tests and of the contrast."""
    folder = tmp_path_factory.mktemp("trials")
    study = build(folder)
    scores = areas(study, folder)
    pairs = {**QUESTION, "name": "pairs", "test": "paired"}
    study["questions"] = [QUESTION, pairs, questions()[0]]
    return scores, answer(study, scores, folder).tables


def test_both_tests_are_rs_on_its_sleep_data() -> None:
    """R 4.2.2: t.test(extra ~ group, sleep), and the same paired."""
    found = welch(*SLEEP, 0.05)
    assert (found.df, found.p) == pytest.approx((17.77647, 0.07939414), abs=1e-5)
    pairs = paired((SLEEP[0] - SLEEP[1]).tolist(), 0.05)
    assert (pairs.estimate, pairs.df, pairs.p) == pytest.approx((-1.58, 9, 0.00283289), abs=1e-7)
    ends = stats.ttest_rel(*SLEEP).confidence_interval(0.95)
    assert (pairs.low, pairs.high) == pytest.approx((ends.low, ends.high))
    assert math.isnan(paired([1.0], 0.05).p) and math.isnan(paired([1.0, 1.0], 0.05).p)


def test_which_arm_is_named_first_decides_no_p_value() -> None:
    one, other = SLEEP
    assert welch(one, other, 0.05).p == pytest.approx(welch(other, one, 0.05).p)
    assert welch(one, one, 0.05).p == pytest.approx(1)
    differences = (one - other).tolist()
    turned = [-value for value in differences]
    assert paired(differences, 0.05).p == pytest.approx(paired(turned, 0.05).p)
    assert paired([-1.0, 0.0, 1.0], 0.05).p == pytest.approx(1)


@pytest.mark.parametrize("test", ["welch", "paired"])
def test_rows_are_scipys_tests_of_scikit_learns_areas(
    made: tuple[pd.DataFrame, Any], test: str
) -> None:
    scores, tables = made
    table = tables["trials"][tables["trials"]["test"] == test]
    assert len(table) == 3
    for row in table.to_dict("records"):
        own = scores[scores["architecture"] == row["architecture"]].groupby("pretraining")["score"]
        a, b = own.get_group("imagenet").to_numpy(), own.get_group("random").to_numpy()
        assert row["mean"] - row["mean_baseline"] == pytest.approx(row["difference"])
        unpaired, pair = stats.ttest_ind(a, b, equal_var=False), stats.ttest_rel(a, b)
        assert (row["p_welch"], row["p_paired"]) == pytest.approx((unpaired.pvalue, pair.pvalue))
        chosen = {"welch": unpaired, "paired": pair}[test]
        ends = chosen.confidence_interval(0.95)
        assert (row["low"], row["high"]) == pytest.approx((ends.low, ends.high))
        assert row["p"] == pytest.approx(chosen.pvalue)
        less = chosen.statistic < 0
        assert row["p_one_sided"] == pytest.approx(abs(less - chosen.pvalue / 2))
        assert row["se_trials"] == pytest.approx(abs(row["difference"] / chosen.statistic))
        assert math.isnan(row["correlation"])
    adjusted = multipletests(table["p"], method="holm")[1]
    np.testing.assert_allclose(table["p_adjusted"], adjusted)


def test_patients_stand_beside_the_trials(made: tuple[pd.DataFrame, Any]) -> None:
    _, tables = made
    contrasts = tables["contrasts"].set_index("architecture")
    for row in tables["trials"].to_dict("records"):
        other = contrasts.loc[row["architecture"]]
        assert row["se_patient"] == pytest.approx(other["se_patient"])
        assert row["p_with_patients"] == pytest.approx(other["p_difference"])
        assert row["n_patients"] == other["n_patients"] > 0
        assert row["conditional_on"] == other["conditional_on"]


def test_one_trial_cannot_decide(tmp_path: Path) -> None:
    study = {**build(tmp_path, missing=True), "questions": []}
    basis = Basis(study, pd.DataFrame(), Reader(study, tmp_path), 0.05)
    table = pd.DataFrame(row.columns() for row in trials(QUESTION, basis).rows)
    row = table.set_index("architecture").loc["large"]
    assert (row["n"], row["n_baseline"], row["verdict"]) == (2, 1, "cannot be decided")
    assert math.isnan(row["p_with_patients"]) and row["se_patient"] > 0


def test_trials_needed_are_those_of_statsmodels() -> None:
    for gap, sd in ((0.01, 0.01), (0.002, 0.01), (0.05, 0.01)):
        wanted = TTestIndPower().solve_power(gap / sd, power=0.8, alpha=0.05)
        assert trials_needed(gap, sd) == math.ceil(wanted)
    assert trials_needed(1e-9, 1) == math.inf == trials_needed(0, 1)
    assert trials_needed(1, 0) == 2 and math.isnan(trials_needed(1, math.nan))
