from __future__ import annotations

import csv
import re

import pytest
from scipy import stats

from transfergrid.planning.architectures import known_architectures
from transfergrid.planning.claims import chosen_claims, known_claims
from transfergrid.planning.paths import RESOURCES
from transfergrid.runtime.errors import UserError

ROWS = list(known_claims().values())


def test_the_table_is_whole() -> None:
    with open(RESOURCES / "claims.csv", newline="", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == len(ROWS) == 134
    assert {row["kind"] for row in ROWS} == {"claim", "premise", "design", "interpretation"}
    assert sum(row["kind"] == "claim" for row in ROWS) == 99


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["claim"])
def test_a_claim_has_a_source_and_a_rule_in_words(row: dict[str, str]) -> None:
    assert row["statement"] and row["source"] and row["rule_words"]
    assert row["provenance"] in {"published", "published, secondary source"}
    assert row["source"].startswith("secondary") == row["provenance"].endswith("secondary source")
    # Recollections are not sources.
    assert not re.search("recollect|recall|unverified", " ".join(row.values()))
    if row["kind"] != "claim":
        assert not row["rule"] and row["rule_words"].startswith("Not judged")
    elif row["rule"]:
        assert row["select"].startswith("kind=")
        assert all(part.count("=") == 1 for part in row["select"].split())
        assert (row["bound"] == "") == (row["rule"] == "agrees")
        float(row["bound"] or 0)
    if row["rule"] in ("near", "agrees"):
        float(row["published"])
    else:
        assert row["rule"] in {"above", "below", "none", "no_loss", ""}


def test_the_two_arms_of_a_correlation_are_not_exchanged() -> None:
    """The paper's first figure settles it: .0824 over sixteen points with pretraining."""
    known = known_claims()
    assert known["bat.rho_top1.pt"]["published"] == "0.082"
    assert known["bat.rho_top1.no_pt"]["published"] == "0.059"
    # The review prints them the other way round; both are shown.
    assert known["cxt.rho_top1.pt"]["published"] == "0.08 (the review prints 0.06)"
    assert known["cxt.rho_top1.no_pt"]["published"] == "0.06 (the review prints 0.08)"
    assert not any("appear swapped" in row["detail"] for row in ROWS)


TRANSFUSION = {row["claim"]: row for row in ROWS if row["study"] == "transfusion"}


def test_claims_about_private_photographs_say_that_they_are_infeasible() -> None:
    private = [name for name in TRANSFUSION if name.startswith(("tf.retina.", "tf.small5000."))]
    assert len(private) == 12
    for name in private:
        row = TRANSFUSION[name]
        assert not row["rule"] and "infeasible: private data" in row["rule_words"]
        # Their numbers were read in a note on the paper's tables, not in the paper.
        assert row["provenance"] == "published, secondary source"
    judged = [row for name, row in TRANSFUSION.items() if name not in private]
    assert not any("infeasible" in row["rule_words"] for row in judged)


def test_the_mean_difference_on_chexpert_is_that_of_the_five_published_ones() -> None:
    arms = {
        arm: [
            float(row["published"])
            for name, row in TRANSFUSION.items()
            if name.startswith("tf.chexpert.resnet50.") and name.endswith(f".{arm}")
        ]
        for arm in ("random", "transfer")
    }
    assert list(map(len, arms.values())) == [5, 5]
    mean = (sum(arms["transfer"]) - sum(arms["random"])) / 5 / 100
    assert float(TRANSFUSION["tf.chexpert.resnet50.mean"]["published"]) == round(mean, 4)


def test_numbers_of_the_paper_s_tables_are_those_that_a_source_has() -> None:
    """Of the rest of its tables the sources give no number that could be checked."""
    names = {name.split(".")[2] for name in TRANSFUSION if name.startswith("tf.retina.")}
    assert names == {"resnet50", "inception_v3", "cbr_larget"}
    on_chexpert = {name.split(".")[2] for name in TRANSFUSION if name.startswith("tf.chexpert.")}
    assert on_chexpert == {"resnet50"}


def test_a_study_takes_all_claims_of_a_paper_or_some() -> None:
    none = {
        "claims": [],
        "points": [],
        "first_version": [],
        "similarities": [],
        "where": {},
        "stands_for": {},
    }
    assert chosen_claims([], "s.yaml") == none
    assert len(chosen_claims("chextransfer", "s.yaml")["claims"]) == 44
    found = chosen_claims({"about": ["cxt.trunc.ratio"], "where": {"protocol": "p"}}, "s.yaml")
    assert [claim["claim"] for claim in found["claims"]] == ["cxt.trunc.ratio"]
    assert found["where"] == {"protocol": "p"}


def test_the_digitised_figure_agrees_with_what_was_published() -> None:
    """All that is known of CheXtransfer's first figure, computed from the points read off it."""
    points = chosen_claims("chextransfer", "s.yaml")["points"]
    assert len(points) == 27 and {point["architecture"] for point in points} <= set(
        known_architectures()
    )
    # It is a reading of a picture, and says so.
    assert all("auroc:digitised" in point["provenance"] and point["source"] for point in points)
    arms = {
        arm: {p["architecture"]: p for p in points if p["pretraining"] == arm}
        for arm in ("imagenet", "random")
    }
    auroc = {arm: {k: float(p["auroc"]) for k, p in own.items()} for arm, own in arms.items()}
    assert (len(arms["imagenet"]), len(arms["random"])) == (16, 11)
    top1 = [float(point["imagenet_top1_plotted"]) for point in arms["imagenet"].values()]
    found = stats.spearmanr(top1, list(auroc["imagenet"].values()))
    assert found.statistic == pytest.approx(0.0824, abs=5e-5)  # published: .082, p .76
    assert found.pvalue == pytest.approx(0.76, abs=0.005)
    with open(RESOURCES / "architectures.csv", newline="", encoding="utf-8") as file:
        params = {row["name"]: float(row["params_14"]) for row in csv.DictReader(file)}
    sizes = [params[name] for name in arms["imagenet"]]
    found = stats.spearmanr(sizes, list(auroc["imagenet"].values()))
    assert found.statistic == pytest.approx(0.562, abs=5e-4)  # a review prints .56
    boosts = [auroc["imagenet"][name] - auroc["random"][name] for name in auroc["random"]]
    assert sum(boosts) / 11 == pytest.approx(0.0168, abs=5e-5)
    assert auroc["imagenet"]["mobilenetv3_large_100"] - auroc["imagenet"][
        "mobilenetv2_100"
    ] == pytest.approx(0.0058)


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(UserError, match=r"'chextransfre'.*chextransfer"):
        chosen_claims("chextransfre", "s.yaml")
    with pytest.raises(UserError, match=r"no claim 'cxt.trunc.ration'.*cxt\.trunc\.ratio"):
        chosen_claims(["cxt.trunc.ration"], "s.yaml")
