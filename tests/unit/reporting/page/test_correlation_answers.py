"""Correlations in words."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from unit.reporting.page.asked import CORRELATION, MANNER, SIZE_ASKED, shown

from transfergrid.reporting.page.correlation_answers import correlation_answer


@pytest.mark.parametrize(
    ("low", "rho", "high", "lead"),
    [
        (-0.45, 0.06, 0.54, "No relation between AUROC and the number of parameters could be"),
        (0.1, 0.5, 0.8, "AUROC rises with the number of parameters"),
        (-0.8, -0.5, -0.1, "AUROC falls with the number of parameters"),
        (math.nan, 1.0, math.nan, "No relation between AUROC and the number of parameters"),
    ],
)
def test_correlations(low: float, rho: float, high: float, lead: str) -> None:
    row = {**CORRELATION, "low": low, "rho": rho, "high": high}
    found = shown(SIZE_ASKED, correlations=[row])
    assert found[0].answers[0].lead.startswith(lead)
    assert "n = 16 networks" in found[0].answers[0].support


@pytest.mark.parametrize(
    ("verdict", "margin", "lead"),
    [
        ("none", 0.2, "AUROC and the number of parameters are unrelated within ±0.2"),
        ("positive", math.nan, "AUROC rises with the number of parameters"),
        ("undecided", 0.2, "Neither a relation between AUROC and the number of parameters nor its"),
        ("undecided", math.nan, "No relation between AUROC and the number of parameters"),
    ],
)
def test_a_correlations_verdict_decides_what_is_said(
    verdict: str, margin: float, lead: str
) -> None:
    # The interval excludes zero, which alone would be read as a relation.
    row = {**CORRELATION, "rho": 0.3, "low": 0.1, "high": 0.5, "verdict": verdict}
    row |= {"margin": margin, "p_family": 0.31, "rho_critical": 0.5, "rho_detectable": 0.66}
    found = correlation_answer(row, "", MANNER)
    assert found.lead.startswith(lead)
    assert "within families p = 0.310" in found.support
    assert "80 % power from |ρ| = 0.66" in found.support


def test_a_correlation_says_its_families_and_what_is_left_without_noise() -> None:
    row = {**CORRELATION, "rho": 0.3, "low": -0.1, "high": 0.6, "n_families": 6, "n_needed": 46}
    row |= {"n_effective": 8.7, "reliability": 0.5, "rho_disattenuated": 0.42}
    row |= {"disattenuated_low": -0.2, "disattenuated_high": 0.9}
    said = correlation_answer(row, "", MANNER).support
    assert "n = 16 networks in 6 families, as uncertain as 9 independent ones" in said
    assert "freed of the noise of patients and seeds ρ +0.42 (−0.20 to +0.90)" in said
    assert "so few networks cannot show that there is none: that takes 46" in said
    row |= {"n_effective": 16.0, "reliability": 0.0, "rho_disattenuated": math.nan, "n_needed": 16}
    said = correlation_answer(row, "", MANNER).support
    assert "n = 16 networks in 6 families" in said
    assert "networks differ by no more than the noise of patients and seeds does" in said
    assert not any("so few" in part for part in said)


def test_too_few_networks_for_a_correlation_are_named_and_not_rowed() -> None:
    rows = pd.DataFrame(
        [
            {**CORRELATION, "pretraining": name, "n": n, "rho": rho}
            for name, n, rho in (("random", 16, 0.1), ("films", 2, 1.0), ("none", 1, math.nan))
        ]
    )
    (question,) = shown(SIZE_ASKED, correlations=rows)
    assert [answer.subject for answer in question.answers] == ["random weights"]
    assert question.left == (
        "No rank correlation of fewer than 3 different networks: films weights (2 networks) and "
        "none weights (1 network)."
    )
