"""Few patients, in words."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest
from unit.reporting.built_in_words import WORDS

from transfergrid.reporting.page.answer import Manner
from transfergrid.reporting.page.answers import question_text
from transfergrid.reporting.page.small_data_answers import told

MANNER = Manner(0.95, WORDS, frozenset({"auroc"}))
ASKED: dict[str, Any] = {
    "name": "few",
    "kind": "small_data",
    "axis": "pretraining",
    "baseline": "random",
    "protocols": None,
    "metric": None,
    "where": {},
}
ROW: dict[str, Any] = {
    "question": "few",
    "dataset": "chest",
    "metric": "auroc",
    "axis": "pretraining",
    "arm": "imagenet",
    "baseline": "random",
    "quantity": "data_ratio",
    "patients": 50,
    "value": 2.5,
    "low": 1.5,
    "high": 4.25,
    "band_low": 1.2,
    "band_high": math.inf,
    "verdict": "crosses",
    "band_verdict": "crosses",
    "n_sizes": 5,
    "n_seeds": 3,
    "n_patients": 200,
    "method": "isotonic",
    "conditional_on": "one released weight file",
    "architecture": "resnet18",
    "pretraining": "",
    "truncation": 0,
    "protocol": "few.patients50",
}


def sentence(**changes: Any) -> str:
    (answer,) = told(ASKED, pd.DataFrame([{**ROW, **changes}]), MANNER).answers
    return answer.sentence


NEVER = {"value": math.inf, "low": 16, "high": math.inf, "verdict": "never crosses"}
ALREADY = {"value": 0, "low": 0, "high": 1, "verdict": "already at the smallest"}
BOOST = {"quantity": "boost", "value": 0.034, "verdict": "", "band_verdict": ""}


def test_a_change_of_the_difference() -> None:
    row = {"quantity": "boost_change", "value": 0.05, "low": 0.02, "high": 0.08, "verdict": ""}
    (answer,) = told(ASKED, pd.DataFrame([{**ROW, **row}]), MANNER).answers
    assert answer.sentence.startswith(
        "With 50 patients instead of the most of this study, the difference in AUROC between "
        "ImageNet weights and random weights changes by +0.050"
    )
    assert not any("all sizes at once" in part for part in answer.support)
    assert "no change of the difference" in sentence(**{**row, "low": -0.02})


def test_the_question() -> None:
    assert question_text(ASKED, MANNER) == (
        "With few patients to train on, what do other initial weights change, and with how many "
        "times the data are random weights as good?"
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {},
            "Random weights are as good as ImageNet weights with 50 patients when trained on "
            "2.5 times (1.5 to 4.25) the patients",
        ),
        (
            {"low": 0, "high": 3, "verdict": "undecided"},
            "Random weights are as good as ImageNet weights with 50 patients when trained on "
            "2.5 times (at most 3) the patients",
        ),
        (
            NEVER | {"band_verdict": "never crosses"},
            "Random weights are never as good as ImageNet weights with 50 patients within the "
            "sizes of this study: at least 16 times the patients would be needed",
        ),
        (
            NEVER | {"band_verdict": "undecided"},
            "Random weights are never as good as ImageNet weights with 50 patients within the "
            "sizes of this study: at least 16 times the patients would be needed; for all sizes at "
            "once this was not shown",
        ),
        (
            {"value": math.inf, "low": 2, "high": math.inf, "verdict": "undecided"},
            "In the mean over seeds random weights were worse at every size than ImageNet weights "
            "with 50 patients: at least 2 times; seeds and patients leave open with how many times "
            "the data they are equal",
        ),
        (
            {"value": 0, "low": 0, "high": 3, "verdict": "undecided"},
            "In the mean over seeds random weights were better at the smallest size than ImageNet "
            "weights with 50 patients: at most 3 times; seeds and patients leave open with how "
            "many times the data they are equal",
        ),
        (
            ALREADY | {"band_verdict": "already at the smallest"},
            "Random weights are as good as ImageNet weights with 50 patients at the smallest size "
            "already, with at most 1 times the patients",
        ),
        (
            ALREADY | {"band_verdict": "undecided"},
            "Random weights are as good as ImageNet weights with 50 patients at the smallest size "
            "already, with at most 1 times the patients; for all sizes at once this was not shown",
        ),
        (
            BOOST | {"low": 0.012, "high": 0.056, "band_low": 0.001, "band_high": 0.067},
            "With 50 patients, ImageNet weights raise AUROC by 0.034 (0.012 to 0.056) against "
            "random weights",
        ),
        (
            BOOST | {"low": 0.012, "high": 0.056, "band_low": -0.004, "band_high": 0.072},
            "With 50 patients, ImageNet weights raise AUROC by 0.034 (0.012 to 0.056) against "
            "random weights; for all sizes at once this was not shown",
        ),
        (
            BOOST | {"low": -0.01, "high": 0.08},
            "With 50 patients, no difference between ImageNet weights and random weights could be "
            "shown: +0.034 (−0.010 to +0.080)",
        ),
        (
            {"axis": "architecture", "arm": "small", "baseline": "large"},
            "large is as good as small with 50 patients when trained on 2.5 times (1.5 to 4.25) "
            "the patients",
        ),
    ],
)
def test_every_answer_is_a_sentence(changes: dict[str, Any], expected: str) -> None:
    assert sentence(**changes) == expected


def test_what_supports_it_is_told_and_scores_are_left_to_the_figure() -> None:
    rows = pd.DataFrame([ROW, {**ROW, "quantity": "score", "baseline": ""}])
    (answer,) = told(ASKED, rows, MANNER).answers
    support = "; ".join(answer.support)
    for part in (
        "for all sizes at once: 2.5 times (at least 1.2)",
        "5 sizes",
        "3 seeds",
        "200 patients in the test split of chest",
        "taken as given: one released weight file",
        "95 % interval in times the patients, for this number of patients alone; no test is made",
        "method: isotonic",
    ):
        assert part in support


def test_one_seed_is_taken_as_given_in_as_many_words() -> None:
    given = "conditional on this seed; one released weight file"
    (answer,) = told(ASKED, pd.DataFrame([{**ROW, "conditional_on": given}]), MANNER).answers
    assert "taken as given: this seed, one released weight file" in answer.support
