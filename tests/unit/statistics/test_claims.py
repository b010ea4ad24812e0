"""Rules on intervals, and the published numbers put through the rules of resources/claims.csv."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

from transfergrid.planning.claims import known_claims
from transfergrid.runtime.errors import UserError
from transfergrid.statistics.claims import (
    RULES,
    Evidence,
    Judged,
    gather,
    judge,
    selected,
    verdict,
)
from transfergrid.statistics.correlation import fisher_interval

YES, NO, MAYBE = "reproduced", "not reproduced", "undecided"


@pytest.mark.parametrize(
    ("rule", "bound", "published", "low", "high", "expected"),
    [
        ("above", "0", "positive", 0.01, 0.02, YES),
        ("above", "0", "positive", -0.01, 0.02, MAYBE),
        ("above", "0", "positive", -0.02, -0.01, NO),
        ("below", "0", "negative", -0.9, -0.3, YES),
        ("below", "0", "negative", 0.1, 0.3, NO),
        ("below", "0", "negative", -0.1, 0.3, MAYBE),
        ("none", ".3", "none", -0.2, 0.29, YES),
        ("none", ".3", "none", -0.44, 0.57, MAYBE),
        ("none", ".3", "none", 0.08, 0.83, NO),
        ("none", ".3", "none", 0.05, 0.2, YES),
        ("no_loss", ".01", "no loss", -0.009, 0.02, YES),
        ("no_loss", ".01", "no loss", -0.02, 0.001, MAYBE),
        ("no_loss", ".01", "no loss", -0.02, -0.001, NO),
        ("no_loss", ".01", "no loss", -0.009, -0.001, YES),
        ("near", ".01", "0.016", 0.007, 0.025, YES),
        ("near", ".01", "0.016", 0.0, 0.025, MAYBE),
        ("near", ".01", "0.016", 0.03, 0.04, NO),
        ("agrees", "", "0.79", 0.47, 0.93, YES),
        ("agrees", "", "0.79", -0.1, 0.93, MAYBE),
        ("agrees", "", "0.79", 0.1, 0.7, NO),
        ("above", "0", "positive", math.nan, math.nan, MAYBE),
    ],
)
def test_rules(
    rule: str, bound: str, published: str, low: float, high: float, expected: str
) -> None:
    claim = {"claim": "c", "rule": rule, "bound": bound, "published": published}
    assert verdict(claim, low, high) == expected


def test_an_unknown_rule_is_named() -> None:
    with pytest.raises(UserError, match="'abvoe'; use one of above"):
        verdict({"claim": "c", "rule": "abvoe", "bound": "", "published": ""}, 0, 1)


@pytest.mark.parametrize(
    ("name", "rho", "expected"),
    [
        # "No relation" is more than 16 networks can show: rho is small, its interval is not.
        ("cxt.rho_top1.no_pt", 0.082, MAYBE),
        ("cxt.top1_vs_auc.pt", 0.059, MAYBE),
        ("cxt.rho_params.no_pt", 0.791, YES),
        ("cxt.rho_params.pt", 0.565, YES),
        ("cxt.rho_boost_params", -0.718, YES),
        ("cxt.boost.small_gain_more", -0.718, YES),
        ("cxt.boost.small_gain_more", 0.718, NO),
    ],
)
def test_published_correlations_under_their_rules(name: str, rho: float, expected: str) -> None:
    assert verdict(known_claims()[name], *fisher_interval(rho, 16)) == expected


def reader(synthetic: bool = False) -> Any:
    cells = [{"dataset": "films", "cell": "one"}]
    return SimpleNamespace(
        study={"cells": cells}, card=lambda cell: {"synthetic": synthetic, "dataset": "films"}
    )


def evidence(name: str, value: float, low: float, high: float, **changes: Any) -> Evidence:
    keys = {"dataset": "films", "protocol": "p", **selected(known_claims()[name]), **changes}
    return Evidence(keys, "question: row", value, low, high)


def judged(name: str, *rows: Evidence, synthetic: bool = False, **where: Any) -> list[Judged]:
    claim = known_claims()[name]
    asked = {"claims": [claim], "where": where, "stands_for": {"shapes": "imagenet"}}
    return judge(asked, rows, reader(synthetic))


def test_a_claim_is_judged_by_its_own_number() -> None:
    name = "bat.boost.mean"
    right = evidence(name, 0.015, 0.008, 0.022)
    (row,) = judged(name, right, evidence(name, 0.9, 0.8, 1.0, networks="resnet18"))
    assert (row.measured, row.low, row.high) == (0.015, 0.008, 0.022)
    assert (row.verdict, row.published, row.data) == (YES, "0.016", "films")
    assert row.evidence == "question: row" and "within .01" in row.rule


def test_drawn_images_are_stamped() -> None:
    name = "cxt.boost.significant"
    (row,) = judged(name, evidence(name, 0.1, 0.05, 0.15), synthetic=True)
    assert row.data == "films: drawn images, no evidence"


def test_where_chooses_the_recipe_and_each_number_left_gets_a_row() -> None:
    name = "cxt.boost.significant"
    rows = [evidence(name, 0.1, 0.05, 0.15), evidence(name, -0.1, -0.15, -0.05, protocol="long")]
    assert [row.verdict for row in judged(name, *rows)] == [YES, NO]
    assert [row.verdict for row in judged(name, *rows, protocol="long")] == [NO]


def test_a_correlations_recipe_is_told_by_its_question() -> None:
    row = SimpleNamespace(
        question="q", x="params", y="boost (...)", n=16, rho=-0.7, low=-0.9, high=0
    )
    asked = {"x": "params", "y": "boost", "where": {"protocol": "paper", "truncation": 0}}
    place = {"dataset": "films", "pretraining": "imagenet", "truncation": 0}
    (one,) = gather([], [SimpleNamespace(row=row, question=asked, place=place)], [])  # type: ignore
    name = "cxt.boost.small_gain_more"
    assert [row.verdict for row in judged(name, one, protocol="paper")] == [MAYBE]
    assert [row.verdict for row in judged(name, one, protocol="tuned")] == ["not tested"]


def test_a_pretraining_may_stand_for_the_claims_own() -> None:
    name = "cxt.boost.significant"
    (row,) = judged(name, evidence(name, 0.1, 0.05, 0.15, a="shapes", pretraining="shapes"))
    assert row.verdict == YES and row.evidence == "question: row; shapes stands for imagenet"
    name = "cxt.rho_params.pt"
    (row,) = judged(name, evidence(name, 0.7, 0.4, 0.9, pretraining="shapes"))
    assert row.verdict == YES
    # A word that stands for nothing finds nothing.
    (row,) = judged(name, evidence(name, 0.7, 0.4, 0.9, pretraining="forms"))
    assert row.verdict == "not tested"


def test_what_no_question_gives_is_not_tested() -> None:
    (row,) = judged("cxt.trunc.ratio")
    assert row.verdict == "not tested" and math.isnan(row.measured)
    assert row.evidence == "no question of the study gives it" and row.published == "3.25"
    (row,) = judged("cxt.premise.arch", evidence("cxt.trunc.ratio", 3, 2, 4))
    assert row.verdict == "not tested" and row.evidence == "context: premise"


def test_an_uncertain_number_is_never_printed() -> None:
    claim = {**known_claims()["bat.boost.mean"], "provenance": "unverified"}
    (row,) = judge({"claims": [claim], "where": {}, "stands_for": {}}, [], reader())
    assert row.published == ""


def test_every_claim_of_the_table_has_a_rule_that_works() -> None:
    for claim in known_claims().values():
        if claim["rule"]:
            assert claim["rule"] in RULES
            assert verdict(claim, -1e9, 1e9) == MAYBE
            assert selected(claim)["kind"] in {"contrast", "correlation", "family", "efficiency"}
