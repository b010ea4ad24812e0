"""A difference of differences against scikit-learn's areas, and against plain contrasts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from unit.statistics.made_up_ensembles import build, questions
from unit.statistics.test_answers_of_study import areas

from transfergrid.reporting.metric_words import MetricWords
from transfergrid.reporting.page.answer import Manner
from transfergrid.reporting.page.answers import questions as told
from transfergrid.statistics.answers import Answers, answer

OF, AGAINST = ["large", "small"], ["middle", "small"]
ASKED: dict[str, Any] = {"kind": "interaction", "axis": "architecture", "metric": None, "where": {}}
QUESTION = {**ASKED, "name": "grows", "of": OF, "against": AGAINST}


def answered(folder: Path, *asked: dict[str, Any], missing: bool = False) -> Answers:
    study = {**build(folder, missing=missing), "questions": list(asked)}
    return answer(study, areas(study, folder), folder)


def test_values_are_differences_of_seed_means_of_scikit_learns_areas(tmp_path: Path) -> None:
    study = build(tmp_path)
    scores = areas(study, tmp_path)
    means = scores.groupby(["pretraining", "architecture"])["score"].mean()
    found = answered(tmp_path, QUESTION).tables["findings"]
    assert len(found) == 2 * 3
    for pretraining, own in found.groupby("pretraining"):
        values = own.set_index("quantity")["value"]
        here = means[pretraining]
        assert values["first_difference"] == pytest.approx(here["large"] - here["small"])
        assert values["second_difference"] == pytest.approx(here["middle"] - here["small"])
        assert values["change"] == pytest.approx(here["large"] - here["middle"])
    assert (found["low"] < found["value"]).all() and (found["value"] < found["high"]).all()


def test_an_arm_on_both_sides_cancels(tmp_path: Path) -> None:
    """With one seed, (large - small) - (middle - small) is the contrast large - middle."""
    one = {"seed": 0, "pretraining": "imagenet"}
    contrast = {**questions()[0], "axis": "architecture", "baseline": "middle", "where": one}
    tables = answered(tmp_path, {**QUESTION, "where": one}, contrast).tables
    change = tables["findings"].set_index("quantity").loc["change"]
    plain = tables["contrasts"].set_index("a").loc["large"]
    expected = plain[["estimate", "low", "high"]].astype(float).to_numpy()
    assert change[["value", "low", "high"]].astype(float).to_numpy() == pytest.approx(expected)
    assert "conditional on this seed" in change["note"]


def test_all_four_arms_are_of_the_same_seeds(tmp_path: Path) -> None:
    found = answered(tmp_path, QUESTION, missing=True).tables["findings"]
    own = found[found["pretraining"] == "random"].set_index("quantity")
    scores = areas(build(tmp_path), tmp_path).query("pretraining == 'random' and seed == 0")
    values = scores.set_index("architecture")["score"]
    # Seed 1 of the large network is missing, so the second difference is of seed 0, too.
    assert own.at["second_difference", "value"] == pytest.approx(values["middle"] - values["small"])
    assert own.at["change", "value"] == pytest.approx(values["large"] - values["middle"])


def test_a_place_without_an_arm_is_told_or_passed_over(tmp_path: Path) -> None:
    lacking = {**QUESTION, "of": ["huge", "small"]}
    found = answered(tmp_path, lacking)
    assert found.tables["findings"].empty
    assert "grows: random weights has no architecture huge; it is left out." in found.skipped
    elsewhere = {**QUESTION, "of": ["huge", "tiny"], "against": ["huge", "slim"]}
    assert answered(tmp_path, elsewhere).skipped == []


def test_the_page_tells_both_differences_and_what_is_between_them(tmp_path: Path) -> None:
    rows = answered(tmp_path, QUESTION).tables["findings"]
    manner = Manner(0.95, {"auroc": MetricWords("AUROC")}, frozenset({"auroc"}))
    (shown,) = told([QUESTION], {"findings": rows}, manner)
    assert shown.text.startswith("Is the difference between large and small that between middle")
    assert len(shown.answers) == 2 and not shown.findings
    for one in shown.answers:
        row: pd.Series = rows[rows["subject"] == one.subject].set_index("quantity").loc["change"]
        assert one.clear is bool(row["low"] > 0 or row["high"] < 0)
        start = "The first less the second is" if one.clear else "That they differ could not"
        assert one.lead.startswith(start)
        assert "large − small " in one.rest and "middle − small " in one.rest
