"""Rules on intervals, and the published numbers put through the rules of resources/claims.csv."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from transfergrid.catalog.questions import PLUGIN, kind_of
from transfergrid.planning.claims import known_claims, selected
from transfergrid.runtime.errors import UserError
from transfergrid.statistics.claims import (
    RULE_NAMES,
    Evidence,
    Judged,
    judge,
    prediction_interval,
    verdict,
)
from transfergrid.statistics.correlation import fisher_interval
from transfergrid.statistics.relations import Related

YES, NO, MAYBE = "reproduced", "not reproduced", "undecided"
NEVER = "cannot be decided with 16 networks (46 needed)"


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
        ("above", "1", "yes", 1.0, 1.0, NO),  # no cut is harmless, for sure
        ("above", "0", "positive", math.nan, math.nan, MAYBE),
    ],
)
def test_rules(
    rule: str, bound: str, published: str, low: float, high: float, expected: str
) -> None:
    claim = {"claim": "c", "rule": rule, "bound": bound, "published": published}
    assert verdict(claim, Evidence({}, "", 0, low, high)) == expected


def test_an_unknown_rule_is_named() -> None:
    with pytest.raises(UserError, match="'abvoe'; use one of above"):
        verdict(
            {"claim": "c", "rule": "abvoe", "bound": "", "published": ""}, Evidence({}, "", 0, 0, 1)
        )


@pytest.mark.parametrize(
    ("name", "rho", "expected"),
    [
        # "No relation" is more than 16 networks can show: rho is small, its interval is not.
        ("cxt.rho_top1.pt", 0.082, NEVER),
        ("cxt.top1_vs_auc.no_pt", 0.059, NEVER),
        ("cxt.rho_top1.pt", 0.6, NO),
        ("cxt.rho_params.no_pt", 0.791, YES),
        ("cxt.rho_params.pt", 0.565, YES),
        ("cxt.rho_boost_params", -0.718, YES),
        ("cxt.boost.small_gain_more", -0.718, YES),
        ("cxt.boost.small_gain_more", 0.718, NO),
    ],
)
def test_published_correlations_under_their_rules(name: str, rho: float, expected: str) -> None:
    assert verdict(known_claims()[name], networks_of(rho)) == expected


def networks_of(rho: float, n: int = 16) -> Evidence:
    return Evidence({}, "", rho, *fisher_interval(rho, n), networks=n)


@pytest.mark.parametrize(
    ("rho", "published", "expected"),
    [
        (0.79, 0.79, YES),
        (0.6, 0.79, YES),  # its interval ends at .84, and that of the paper starts at .47
        (0.9, 0.79, YES),
        (0.98, 0.56, "stronger"),
        (-0.98, -0.56, "stronger"),
        (0.56, 0.98, NO),
        (-0.6, 0.6, NO),
        (0.3, 0.56, MAYBE),
        (0.0, 0.9, NO),
    ],
)
def test_a_published_correlation_has_an_error_of_its_own(
    rho: float, published: float, expected: str
) -> None:
    claim = {**known_claims()["cxt.rho_params.pt"], "published": str(published)}
    assert verdict(claim, networks_of(rho)) == expected


def test_an_exact_repetition_is_nearly_always_reproduced() -> None:
    rng = np.random.default_rng(0)
    r, agreed, held = 0.85, 0, 0
    claim = known_claims()["cxt.rho_params.no_pt"]
    for _ in range(1000):
        x, noise = rng.normal(size=(2, 2, 16))
        y = r * x + math.sqrt(1 - r * r) * noise
        theirs, ours = (float(stats.spearmanr(*pair).statistic) for pair in zip(x, y, strict=True))
        found = networks_of(ours)
        agreed += verdict({**claim, "published": str(theirs)}, found) in (YES, "stronger")
        held += found.low <= theirs <= found.high
    assert agreed / 1000 >= 0.94
    assert held / 1000 < 0.88  # the rule before took the published value for the truth


def test_a_published_interval_is_used_and_small_studies_keep_their_own_error() -> None:
    claim = {**known_claims()["cxt.rho_params.pt"], "published": "0.5"}
    wide = prediction_interval(
        {**claim, "published_low": "0.0", "published_high": "0.8"}, big := networks_of(0.5, 400)
    )
    narrow = prediction_interval({**claim, "published_low": "0.49", "published_high": "0.51"}, big)
    assert narrow == pytest.approx((big.low, big.high), abs=0.002)
    assert wide[1] == pytest.approx(math.tanh(math.hypot(0.5493, 0.088) + 0.5493), abs=0.01)
    # The paper's sixteen networks are less sure than our four hundred.
    assert prediction_interval(claim, big)[1] > wide[1] - 0.05
    few = networks_of(0.5, 6)
    z = np.arctanh([few.value, few.high])
    assert prediction_interval(claim, few)[1] == pytest.approx(
        math.tanh(z[0] + math.sqrt(2) * (z[1] - z[0]))
    )
    plain = Evidence({}, "", 0.02, 0.01, 0.03)
    assert prediction_interval({**claim, "published_n": ""}, plain) == pytest.approx(
        (0.02 - 0.01 * math.sqrt(2), 0.02 + 0.01 * math.sqrt(2))
    )


def related(row: Any, question: dict[str, Any], place: dict[str, Any]) -> Related:
    nothing = np.empty(0)
    return Related(row, question, place, nothing, nothing, (), "auroc")


def test_claims_of_a_relation_are_judged_without_the_noise_and_agreement_with_it() -> None:
    row = SimpleNamespace(
        question="q", x="params", y="auroc (...)", n=16, n_families=6, rho=0.5, low=0.1, high=0.8,
        judged=(0.9, 0.3, 1.0),
    )  # fmt: skip
    asked = {"x": "params", "y": "score", "where": {}}
    place = {"dataset": "films", "pretraining": "imagenet", "truncation": 0}
    one = related(row, asked, place).evidence()
    assert (one.value, one.low, one.high, one.networks) == (0.9, 0.3, 1.0, 16)
    place = "imagenet weights, whole network, on films"
    assert one.label == f"q: params and auroc (...), {place}, 16 networks in 6 families"
    (row_,) = judged("cxt.rho_params.pt", one)
    assert (row_.verdict, row_.measured, row_.low) == (YES, 0.5, 0.1)


METRICS = {"auroc": {"roc_area": True}, "ranks": {"roc_area": True}, "brier": {"roc_area": False}}


def reader(synthetic: bool = False) -> Any:
    entries = {"one": {"dataset": "films", "cell": "one"}}
    return SimpleNamespace(
        entries=entries,
        card=lambda cell: {"synthetic": synthetic, "dataset": "films"},
        study={"metrics": METRICS},
    )


def evidence(name: str, value: float, low: float, high: float, **changes: Any) -> Evidence:
    keys = {"dataset": "films", "protocol": "p", "metric": "auroc"}
    keys |= {**selected(known_claims()[name]), **changes}
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
    assert row.verdict == "reproduced (drawn data, no evidence)"
    (untested,) = judged("cxt.trunc.ratio", synthetic=True)
    assert untested.verdict == "not tested"


def test_where_chooses_the_recipe_and_each_number_left_gets_a_row() -> None:
    name = "cxt.boost.significant"
    rows = [evidence(name, 0.1, 0.05, 0.15), evidence(name, -0.1, -0.15, -0.05, protocol="long")]
    assert [row.verdict for row in judged(name, *rows)] == [YES, NO]
    assert [row.verdict for row in judged(name, *rows, protocol="long")] == [NO]
    assert [row.verdict for row in judged(name, *rows, protocol=["long", "other"])] == [NO]
    assert [row.verdict for row in judged(name, *rows, protocol=["long", "p"])] == [YES, NO]


def test_a_correlations_recipe_is_told_by_its_question() -> None:
    row = SimpleNamespace(
        question="q", x="params", y="boost (...)", n=16, n_families=6,
        rho=-0.7, low=-0.9, high=0, judged=(-0.7, -0.9, 0),
    )  # fmt: skip
    asked = {"x": "params", "y": "boost", "where": {"protocol": "paper", "truncation": 0}}
    place = {"dataset": "films", "pretraining": "imagenet", "truncation": 0}
    one = related(row, asked, place).evidence()
    name = "cxt.boost.small_gain_more"
    assert [row.verdict for row in judged(name, one, protocol="paper")] == [MAYBE]
    assert [row.verdict for row in judged(name, one, protocol="tuned")] == ["not tested"]
    asked["where"]["protocol"] = ["paper", "long"]
    both = related(row, asked, place).evidence()
    assert [row.verdict for row in judged(name, both, protocol=["long", "paper"])] == [MAYBE]
    # Some of its networks may be trained by the other recipe.
    assert [row.verdict for row in judged(name, both, protocol="paper")] == ["not tested"]


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


def test_a_claim_is_about_auroc_unless_it_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "cxt.boost.significant"
    other = evidence(name, 0.1, 0.05, 0.15, metric="brier")
    (row,) = judged(name, other)
    assert row.verdict == "not tested"
    ranks = evidence(name, 0.1, 0.05, 0.15, metric="ranks")
    assert [row.verdict for row in judged(name, ranks)] == [YES]
    claim = known_claims()[name]
    other_claim = {**claim, "select": f"{claim['select']} metric=brier"}
    monkeypatch.setitem(known_claims(), name, other_claim)  # type: ignore[arg-type]
    assert [row.verdict for row in judged(name, other)] == [YES]
    monkeypatch.setitem(known_claims(), name, claim)  # type: ignore[arg-type]


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
            assert claim["rule"] in RULE_NAMES
            one = Evidence({}, "", 0.0, -1e9, 1e9)
            assert verdict(claim, one) == MAYBE
            kind = kind_of(selected(claim))
            assert kind is not PLUGIN and kind.name == selected(claim)["kind"]


@pytest.mark.parametrize(
    ("a", "b", "expected"), [("swav", "imagenet", YES), ("imagenet", "swav", NO)]
)
def test_a_claim_on_ranked_methods_may_name_the_worse_one_first(
    a: str, b: str, expected: str
) -> None:
    keys = {"kind": "mean_ranks", "axis": "pretraining", "a": "swav", "b": "imagenet"}
    one = Evidence({**keys, "metric": "auroc", "datasets": ("d", "e")}, "q: row", 0.1, 0.05, 0.2)
    claim = {**known_claims()["sys.ssl.holistic.swav"], "rule": "above", "bound": "0"}
    claim["select"] = f"kind=mean_ranks a={a} b={b}"
    (row,) = judge({"claims": [claim], "where": {}, "stands_for": {}}, [one], reader())
    assert (row.verdict, row.data) == (expected, "d, e")
    assert abs(row.measured) == 0.1 and row.low < row.measured < row.high


def test_claims_on_both_kinds_of_task_get_a_row_for_each_data_set() -> None:
    name = "sys.ssl.holistic.swav"
    masks = {"dice": {"roc_area": False, "function": "transfergrid.metrics.mask_metrics:dice"}}
    rows = [
        evidence(name, 0.02, 0.01, 0.03, dataset="dxc14", metric="auroc"),
        evidence(name, -0.02, -0.03, -0.01, dataset="vfs", metric="dice"),
        evidence(name, 0.02, 0.01, 0.03, dataset="dxc5", metric="brier"),
    ]
    asked = {"claims": [known_claims()[name]], "where": {}, "stands_for": {}}
    both = reader()
    both.study = {"metrics": METRICS | masks}
    assert [(row.data, row.verdict) for row in judge(asked, rows, both)] == [
        ("dxc14", YES),
        ("vfs", NO),
    ]
