"""Ranks over data sets and trials in words."""

from __future__ import annotations

import math
from typing import Any

import pytest
from unit.reporting.page.test_answers import shown

PLACE = {"architecture": "resnet50", "pretraining": "", "truncation": 0, "protocol": ""}
ORDER = {"name": "order", "kind": "mean_ranks", "axis": "pretraining", "where": {}}
MEAN: dict[str, Any] = {
    **PLACE,
    "question": "order",
    "metric": "auroc",
    "axis": "pretraining",
    "method": "imagenet",
    "mean_rank": 1.4,
    "mean_score": 0.91,
    "n_datasets": 7,
    "n_methods": 3,
    "datasets": "a; b",
    "friedman_chi2": 9.2,
    "p_friedman": 0.01,
    "iman_davenport_f": 11.5,
    "df1": 2,
    "df2": 12,
    "p_iman_davenport": 0.0016,
    "critical_difference": 1.25,
    "note": "",
}
PAIR: dict[str, Any] = {
    **PLACE,
    "question": "order",
    "metric": "auroc",
    "axis": "pretraining",
    "a": "imagenet",
    "b": "random",
    "n_datasets": 7,
    "rank_difference": -1.5,
    "p_nemenyi": 0.013,
    "p_conover_adjusted": 0.004,
    "verdict": "better",
    "rope": 0.01,
    "bayes_better": 0.94,
    "bayes_alike": 0.05,
    "bayes_worse": 0.01,
    "difference": 0.031,
    "low": 0.004,
    "high": 0.058,
    "p_mixed_adjusted": 0.03,
    "note": "",
}
TRIALS = {"name": "better", "kind": "trials", "axis": "pretraining", "baseline": "random"}
TRIAL: dict[str, Any] = {
    **PLACE,
    "question": "better",
    "dataset": "chest",
    "protocol": "tuned",
    "metric": "auroc",
    "axis": "pretraining",
    "arm": "imagenet",
    "baseline": "random",
    "n": 10,
    "n_baseline": 10,
    "mean": 0.91,
    "sd": 0.006,
    "mean_baseline": 0.9,
    "sd_baseline": 0.004,
    "difference": 0.01,
    "low": 0.005,
    "high": 0.015,
    "test": "welch",
    "p_welch": 0.0002,
    "p_paired": 0.001,
    "p": 0.0002,
    "p_adjusted": 0.002,
    "verdict": "better",
    "n_patients": 134,
    "se_trials": 0.0023,
    "se_patient": 0.018,
    "p_with_patients": 0.58,
    "p_with_patients_adjusted": 1.0,
    "verdict_with_patients": "undecided",
    "conditional_on": "one released weight file",
}


def test_ranks_are_told_whole_then_pair_by_pair() -> None:
    undecided = {**PAIR, "b": "films", "verdict": "undecided"}
    (found,) = shown(ORDER, rank_pairs=[PAIR, undecided], mean_ranks=[MEAN])
    assert found.text == "How does each pretraining rank over the data sets?"
    whole, pair = found.answers
    assert whole.sentence == (
        "Whether 3 methods over 7 data sets differ in mean rank at all: F = 11.5, p = 0.002; two "
        "differ where their mean ranks are 1.25 apart"
    )
    assert pair.sentence == (
        "ImageNet weights rank better than random weights, by 1.5 ranks on average over 7 data sets"
    )
    for part in (
        "Nemenyi's test: p = 0.013",
        "Bayesian signed rank: better 94 %, alike within 0.01 5 %, worse 1 %",
        "mixed model: +0.031 (+0.004 to +0.058), 95 % interval, adjusted p = 0.030",
    ):
        assert part in pair.support
    assert found.findings[0].value == "1.4"
    assert found.left.startswith("Of 2 pairs, 1 could not be set apart")


@pytest.mark.parametrize(
    ("axis", "a", "b", "lead"),
    [
        ("architecture", "resnet50", "densenet121", "resnet50 ranks better than densenet121, by"),
        ("protocol", "paper", "short", "Recipe paper ranks better than recipe short, by"),
        ("truncation", 0, 2, "The whole network ranks better than two blocks removed, by"),
    ],
)
def test_a_networks_own_name_keeps_its_letters(axis: str, a: Any, b: Any, lead: str) -> None:
    pair = {**PAIR, "axis": axis, "a": a, "b": b}
    question = {**ORDER, "axis": axis}
    mean = {**MEAN, "axis": axis, "method": a}
    (found,) = shown(question, rank_pairs=[pair], mean_ranks=[mean])
    assert found.answers[1].lead == lead


def test_ranks_that_are_all_tied_are_told() -> None:
    nothing = dict.fromkeys(("friedman_chi2", "p_friedman", "p_iman_davenport"), math.nan)
    (found,) = shown(ORDER, rank_pairs=[PAIR], mean_ranks=[{**MEAN, **nothing}])
    assert found.answers[0].number == "all scores are tied"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {},
            "ImageNet weights are better than random weights on these test patients, +0.010 "
            "(+0.005 to +0.015) in macro AUROC, but other patients might tell otherwise",
        ),
        (
            {"verdict_with_patients": "better"},
            "ImageNet weights are better than random weights on these test patients, +0.010 "
            "(+0.005 to +0.015) in macro AUROC, and with other patients as well",
        ),
        (
            {"verdict": "undecided"},
            "No difference between ImageNet weights and random weights could be shown over the "
            "trials: +0.010 (+0.005 to +0.015) in macro AUROC",
        ),
        (
            {"verdict": "undecided", "arm": "shapes"},
            "No difference between shapes weights and random weights could be shown over the "
            "trials: +0.010 (+0.005 to +0.015) in macro AUROC",
        ),
        (
            {"verdict": "cannot be decided", "low": math.nan, "high": math.nan, "p": math.nan},
            "Whether ImageNet weights and random weights differ cannot be decided by so few "
            "trials: +0.010 in macro AUROC",
        ),
    ],
)
def test_trials_are_told_apart_from_what_other_patients_would_do(
    change: dict[str, Any], sentence: str
) -> None:
    (found,) = shown(TRIALS, trials=[{**TRIAL, **change}])
    (answer,) = found.answers
    assert answer.sentence == sentence
    told = "; ".join(answer.support)
    assert ("95 % interval over trials by Welch's t test" in told) == ("low" not in change)
    assert "SE 0.002 from trials, 0.018 from patients" in told
    if not change:
        assert "Welch p < 0.001; paired p = 0.001" in told
        assert "with 134 patients as a sample p = 0.580, adjusted p = 1.000" in told
