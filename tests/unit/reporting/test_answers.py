from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from transfergrid.reporting.answers import (
    contrast_answer,
    correlation_answer,
    question_text,
    questions,
)

NO_FINDINGS = pd.DataFrame(columns=["question"])
CONTRAST: dict[str, Any] = {
    "contrast": "resnet18 drop0 chest tuned: imagenet - random",
    "question": "boost",
    "metric": "auroc",
    "dataset": "chest",
    "a": "imagenet",
    "b": "random",
    "n_cells": 1,
    "n_seeds": 3,
    "n_studies": 234,
    "n_patients": 200,
    "estimate": 0.034,
    "low": 0.012,
    "high": 0.056,
    "p_difference": 0.0031,
    "p_difference_adjusted": 0.0093,
    "p_equivalence": math.nan,
    "p_equivalence_adjusted": math.nan,
    "method": "paired t",
    "margin": math.nan,
    "verdict": "higher",
    "verdict_rests_on": "p_difference",
    "conditional_on": "one released weight file",
}
CORRELATION: dict[str, Any] = {
    "question": "size",
    "x": "params",
    "y": "auroc (random drop0 chest tuned)",
    "n": 16,
    "rho": 0.06,
    "low": -0.45,
    "high": 0.54,
    "p": 0.82,
    "method": "Fisher z",
}


def test_a_contrast_as_a_sentence_with_all_that_supports_it() -> None:
    answer = contrast_answer(CONTRAST, "resnet18", 0.95)
    assert f"{answer.subject}: {answer.finding}" == "resnet18: imagenet scores above random"
    assert answer.number == "+0.034 (+0.012 to +0.056)"
    support = " · ".join(answer.support)
    for part in (
        "test of a difference: p = 0.003, adjusted p = 0.009",
        "1 pair of networks",
        "3 seeds",
        "234 studies of 200 patients in chest's test split",
        "95 % interval",
        "method: paired t",
        "taken as given: one released weight file",
    ):
        assert part in support
    assert answer.clear
    assert answer.bounds == (0.012, 0.034, 0.056)


@pytest.mark.parametrize(
    ("verdict", "margin", "finding"),
    [
        ("lower", math.nan, "imagenet scores below random"),
        ("undecided", math.nan, "no difference between imagenet and random could be shown"),
        (
            "undecided",
            0.02,
            "neither a difference nor equivalence within ±0.02 between imagenet and random could "
            "be shown",
        ),
        ("equivalent", 0.02, "imagenet and random are equivalent within ±0.02"),
        (
            "different within margin",
            0.02,
            "imagenet and random are different, but by less than the margin (±0.02)",
        ),
    ],
)
def test_every_verdict_has_its_sentence(verdict: str, margin: float, finding: str) -> None:
    row = {**CONTRAST, "verdict": verdict, "margin": margin}
    assert contrast_answer(row, "resnet18", 0.95).finding == finding


@pytest.mark.parametrize(
    ("rests_on", "first"),
    [("p_difference", "test of a difference: p < 0.001"), ("p_equivalence", "test of equivalence")],
)
def test_the_p_value_that_the_verdict_rests_on_comes_first(rests_on: str, first: str) -> None:
    row = {**CONTRAST, "p_difference": 1e-5, "p_equivalence": 0.997, "margin": 0.01}
    row |= {"p_equivalence_adjusted": 1.0, "verdict_rests_on": rests_on}
    told = contrast_answer(row, "resnet18", 0.95).support[:2]
    assert told[0].startswith(first)
    assert sorted(told) == [
        "test of a difference: p < 0.001, adjusted p = 0.009",
        "test of equivalence: p = 0.997, adjusted p = 1.000",
    ]


@pytest.mark.parametrize(
    ("low", "rho", "high", "finding"),
    [
        (-0.45, 0.06, 0.54, "no monotone relation between number of parameters and AUROC could be"),
        (0.1, 0.5, 0.8, "AUROC rises with the number of parameters"),
        (-0.8, -0.5, -0.1, "AUROC falls with the number of parameters"),
        (math.nan, 1.0, math.nan, "no monotone relation between number of parameters and AUROC"),
        (math.nan, math.nan, math.nan, "no rank correlation can be computed"),
    ],
)
def test_correlations(low: float, rho: float, high: float, finding: str) -> None:
    row = {**CORRELATION, "low": low, "rho": rho, "high": high}
    declared = [{"name": "size", "kind": "correlation", "x": "params", "y": "auroc", "where": {}}]
    found = questions(
        declared, pd.DataFrame([CONTRAST]).iloc[:0], pd.DataFrame([row]), 0.95, NO_FINDINGS
    )
    assert found[0].answers[0].finding.startswith(finding)
    assert "n = 16 networks" in found[0].answers[0].support


@pytest.mark.parametrize(
    ("verdict", "margin", "finding"),
    [
        ("none", 0.2, "number of parameters and AUROC are unrelated within ±0.2"),
        ("positive", math.nan, "AUROC rises with the number of parameters"),
        ("undecided", 0.2, "neither a relation between number of parameters and AUROC nor its"),
        ("undecided", math.nan, "no monotone relation between number of parameters and AUROC"),
    ],
)
def test_a_correlations_verdict_decides_what_is_said(
    verdict: str, margin: float, finding: str
) -> None:
    # The interval excludes zero, which alone would be read as a relation.
    row = {**CORRELATION, "rho": 0.3, "low": 0.1, "high": 0.5, "verdict": verdict}
    row |= {"margin": margin, "p_family": 0.31, "rho_critical": 0.5, "rho_detectable": 0.66}
    found = correlation_answer(row, "", 0.95)
    assert found.finding.startswith(finding)
    assert "within families p = 0.310" in found.support
    assert "80 % power from |ρ| = 0.66" in found.support


@pytest.mark.parametrize(
    ("seeds", "words"),
    [
        (7.0, "80 % power needs 7 seeds"),
        (math.inf, "no number of seeds gives 80 % power on so few patients"),
    ],
)
def test_power_and_the_seeds_that_it_would_take(seeds: object, words: str) -> None:
    row = {**CONTRAST, "power": 0.414, "seeds_needed": seeds}
    assert contrast_answer(row, "resnet18", 0.95).support[1:3] == ("power 41 %", words)


def test_quantities_stand_under_their_question() -> None:
    declared = [{"name": "noise", "kind": "seed_noise", "where": {}}]
    table = pd.DataFrame(
        [
            {"question": "noise", "quantity": "b", "value": math.nan, "subject": "mean of 2"},
            {"question": "noise", "quantity": "seed_sd", "value": 0.004, "subject": "a"},
            {
                "question": "noise",
                "quantity": "params_ratio_non_inferior",
                "value": 3,
                "subject": "mean of 2",
            },
            {"question": "other", "quantity": "share", "value": 0.4, "subject": "c"},
        ]
    )
    first, second = questions(
        declared,
        pd.DataFrame([CONTRAST]).iloc[:0],
        pd.DataFrame([CORRELATION]).iloc[:0],
        0.95,
        table,
    )
    assert first.text == "How far do seeds spread, against networks?"
    assert [(row.subject, row.quantity, row.value) for row in first.findings] == [
        (
            "mean of 2",
            "parameters, whole / cut, largest cut shown to lose less than the margin",
            "3",
        ),
        ("a", "SD between seeds", "0.004"),
        ("mean of 2", "b", "–"),
    ]
    assert second.name == "other"


def test_what_rows_share_is_said_once_and_the_widest_comes_first() -> None:
    mean = {
        **CONTRAST,
        "contrast": "mean of 2 architectures, drop0 chest tuned: imagenet - random",
        "n_cells": 2,
    }
    declared = [
        {"name": "boost", "kind": "contrast", "axis": "pretraining", "baseline": "random"},
        {"name": "other", "kind": "contrast", "axis": "truncation", "baseline": 0},
    ]
    table = pd.DataFrame([CONTRAST, mean])
    first, second = questions(
        declared, table, pd.DataFrame([CORRELATION]).iloc[:0], 0.95, NO_FINDINGS
    )
    assert [answer.subject for answer in first.answers] == ["mean of 2 architectures", "resnet18"]
    assert "3 seeds" in first.common
    assert "3 seeds" not in first.answers[0].support
    assert "2 pairs of networks" in first.answers[0].support
    bars = [answer.bar for answer in first.answers]
    assert all(bar is not None and 50 < bar.low < bar.middle < bar.high < 100 for bar in bars)
    assert second.answers == ()


def test_decided_rows_come_first_among_those_over_as_many_networks() -> None:
    rows = [
        {**CONTRAST, "contrast": name, "n_cells": cells, "verdict": verdict}
        for name, cells, verdict in (
            ("a drop0 chest tuned: x - random", 1, "undecided"),
            ("b drop0 chest tuned: x - random", 1, math.nan),
            ("c drop0 chest tuned: x - random", 1, "higher"),
            ("mean of 2 architectures drop0 chest tuned: x - random", 2, "undecided"),
            ("d drop0 chest tuned: x - random", 1, "equivalent"),
        )
    ]
    declared = [{"name": "boost", "kind": "contrast", "axis": "pretraining", "baseline": "random"}]
    none = pd.DataFrame([CORRELATION]).iloc[:0]
    (question,) = questions(declared, pd.DataFrame(rows), none, 0.95, NO_FINDINGS)
    assert [answer.subject[0] for answer in question.answers] == list("mcdab")


def test_questions_in_words() -> None:
    contrast = {"kind": "contrast", "axis": "pretraining", "baseline": "random"}
    assert question_text(contrast) == "What does pretraining change, compared with random?"
    cut = {"kind": "contrast", "axis": "truncation", "baseline": 0, "where": {"dataset": "chest"}}
    assert question_text(cut).endswith("compared with the whole network (dataset chest only)?")
    size = {"kind": "correlation", "x": "params", "y": "boost", "where": {"truncation": 0}}
    assert question_text(size) == (
        "Does the number of parameters go with the boost (whole networks)?"
    )


def test_one_wild_interval_is_cut_and_leaves_the_others_their_width() -> None:
    wild = {**CONTRAST, "contrast": "wild drop0 chest tuned: imagenet - random"}
    wild |= {"low": -5.0, "high": 5.0, "conditional_on": "conditional on this seed; one file"}
    table = pd.DataFrame([CONTRAST, CONTRAST, CONTRAST, wild])
    (question,) = questions([], table, pd.DataFrame([CORRELATION]).iloc[:0], 0.95, NO_FINDINGS)
    bars = [answer.bar for answer in question.answers]
    assert bars[0] is not None and bars[0].high - bars[0].low > 10
    assert bars[3] is not None and (bars[3].low, bars[3].high, bars[3].cut) == (0, 100, True)
    assert "taken as given: this seed, one file" in question.answers[3].support
