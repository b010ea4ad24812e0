from __future__ import annotations

import csv
import re

import pytest
from scipy import stats

from transfergrid.planning.architectures import known_architectures
from transfergrid.planning.claims import (
    chosen_claims,
    known_claims,
    metrics_of,
    published_scores,
    selected,
)
from transfergrid.planning.paths import RESOURCES
from transfergrid.planning.releases import known_releases
from transfergrid.runtime.errors import UserError

ROWS = list(known_claims().values())


def test_the_table_is_whole() -> None:
    with open(RESOURCES / "claims.csv", newline="", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == len(ROWS) == 206
    assert {row["kind"] for row in ROWS} == {"claim", "premise", "design", "interpretation"}
    assert sum(row["kind"] == "claim" for row in ROWS) == 161


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
        "scores": [],
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


SYSTEMATIC = {row["claim"]: row for row in ROWS if row["study"] == "systematic2021"}


def test_the_claims_on_a_published_table_have_its_numbers() -> None:
    printed = {
        (row["task"].lower(), row["pretraining"]): float(row["mean"])
        for row in published_scores()
        if row["figure"] == "domain-adaptive table"
    }
    found = {}
    for name, row in SYSTEMATIC.items():
        if name.startswith("sys.table."):
            _, _, task, arm = name.split(".")
            arm = {"scratch": "random"}.get(arm, arm.replace("_then", ""))
            found[task, arm] = 100 * float(row["published"])
            # Only where the films are known, and enough of them, can a number be repeated.
            assert bool(row["rule"]) == (task == "dxc14")
            wanted = selected(row)
            assert not wanted or (wanted["dataset"], wanted["pretraining"]) == (task, arm)
    assert found == pytest.approx(printed) and len(found) == 26


def test_initialisations_of_the_published_tables_are_named_as_their_releases_are() -> None:
    rows = published_scores()
    assert len(rows) == 152
    arms = {row["pretraining"] for row in rows}
    studied = {name for name, one in known_releases().items() if one.study}
    # The study has no results of iNat2021 mini; random weights are no release.
    assert arms == studied - {"supervised", "inat2021_mini"} | {"imagenet", "random"}
    assert all(re.match("mean(, sd)?:|mean:", row["provenance"]) for row in rows)
    selfsup = {row["pretraining"] for row in rows if row["figure"] == "self-supervised figure"}
    single = {n.split(".")[-1] for n in SYSTEMATIC if n.startswith("sys.ssl.holistic.")}
    assert single == selfsup - {"imagenet"} and len(single) == 14


def test_a_number_that_was_read_off_a_figure_is_never_a_published_value() -> None:
    table = {row["mean"] for row in published_scores() if "mean:published" in row["provenance"]}
    for name, row in SYSTEMATIC.items():
        if "digitised" in " ".join(row.values()):
            assert not re.fullmatch(r"[\d.+-]+", row["published"])
        elif name.startswith("sys.table."):
            assert f"{100 * float(row['published']):.2f}" in table


def test_a_claim_is_about_one_kind_of_metric_or_several() -> None:
    metrics = {
        "auroc": {"roc_area": True, "function": "transfergrid.metrics.auroc:auroc"},
        "dice": {"roc_area": False, "function": "transfergrid.metrics.mask_metrics:dice"},
        "pooled": {"roc_area": False, "function": "transfergrid.metrics.mask_metrics:dice_pooled"},
        "iou": {"roc_area": False, "function": "transfergrid.metrics.mask_metrics:iou"},
    }
    known = known_claims()
    assert metrics_of(known["sys.coarse.classification"], metrics) == ["auroc"]
    assert metrics_of(known["sys.fine_grained.segmentation"], metrics) == ["dice", "pooled"]
    both = metrics_of(known["sys.ssl.holistic.swav"], metrics)
    assert both == ["auroc", "dice", "pooled"]
    named = {**known["sys.coarse.classification"], "select": "kind=contrast metric=iou"}
    assert metrics_of(named, metrics) == ["iou"]


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(UserError, match=r"'chextransfre'.*chextransfer"):
        chosen_claims("chextransfre", "s.yaml")
    with pytest.raises(UserError, match=r"no claim 'cxt.trunc.ration'.*cxt\.trunc\.ratio"):
        chosen_claims(["cxt.trunc.ration"], "s.yaml")
