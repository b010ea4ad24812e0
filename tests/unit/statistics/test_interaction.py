"""A difference of differences against scikit-learn's areas, and against plain contrasts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from unit.statistics.made_up_ensembles import build, questions
from unit.statistics.test_answers_of_study import areas

from transfergrid.reporting.metric_words import MetricWords
from transfergrid.reporting.page.answer import Manner
from transfergrid.reporting.page.answers import questions as told
from transfergrid.runtime.errors import UserError
from transfergrid.statistics.answers import Answers, answer
from transfergrid.statistics.comparisons import runs
from transfergrid.statistics.components import difference
from transfergrid.statistics.reader import Reader

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
    """(large - small) - (middle - small) is the contrast large - middle, and so is its turn."""
    one = {"pretraining": "imagenet"}
    contrast = {**questions()[0], "axis": "architecture", "baseline": "middle", "where": one}
    turned = {
        **QUESTION,
        "name": "turned",
        "of": ["small", "middle"],
        "against": ["small", "large"],
    }
    asked = [{**QUESTION, "where": one}, {**turned, "where": one}, contrast]
    tables = answered(tmp_path, *asked).tables
    changes = tables["findings"].query("quantity == 'change'").set_index("question")
    plain = tables["contrasts"].set_index("a").loc["large"]
    expected = plain[["estimate", "low", "high"]].astype(float).to_numpy()
    for name in ("grows", "turned"):
        own = changes.loc[name, ["value", "low", "high"]].astype(float).to_numpy()
        assert own == pytest.approx(expected)
    asked = [{**question, "where": {**one, "seed": 0}} for question in asked]
    alone = answered(tmp_path, *asked).tables["findings"].query("quantity == 'change'")
    assert alone["note"].str.contains("conditional on this seed").all()


@pytest.mark.parametrize(
    ("against", "weights"),
    [(["small", "large"], {"large": 2, "small": -2}), (["small", "middle"], None)],
)
def test_an_arm_that_adds_up_varies_with_its_weight(
    tmp_path: Path, against: list[str], weights: dict[str, int] | None
) -> None:
    """(a - b) - (b - c) is a - 2 b + c, whose seeds are not those of two independent sides."""
    weights = weights or {"large": 1, "small": -2, "middle": 1}
    question = {**QUESTION, "against": against, "where": {"pretraining": "imagenet"}}
    found = answered(tmp_path, question).tables["findings"].set_index("quantity").loc["change"]
    reader = Reader({**build(tmp_path), "questions": []}, tmp_path)
    runs = {
        (cell["architecture"], cell["seed"]): reader.influence(cell["cell"])[0]
        for cell in reader.targets
        if cell["pretraining"] == "imagenet"
    }
    estimates = [sum(w * runs[a, s].estimate for a, w in weights.items()) for s in (0, 1)]
    values = np.array([sum(w * runs[a, s].values for a, w in weights.items()) for s in (0, 1)])
    groups = runs["large", 0].groups
    expected = difference(estimates, [0.0, 0.0], values, np.zeros_like(values), groups)
    arm = stats.t.isf(0.025, expected.df) * expected.se
    assert found["value"] == pytest.approx(expected.estimate)
    assert found["high"] - found["value"] == pytest.approx(min(arm, 2 - expected.estimate))


def test_all_four_arms_are_of_the_same_seeds(tmp_path: Path) -> None:
    found = answered(tmp_path, QUESTION, missing=True).tables["findings"]
    own = found[found["pretraining"] == "random"].set_index("quantity")
    scores = areas(build(tmp_path), tmp_path).query("pretraining == 'random' and seed == 0")
    values = scores.set_index("architecture")["score"]
    # Seed 1 of the large network is missing, so the second difference is of seed 0, too.
    assert own.at["second_difference", "value"] == pytest.approx(values["middle"] - values["small"])
    assert own.at["change", "value"] == pytest.approx(values["large"] - values["middle"])


def test_arms_on_other_patients_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(arm: Any, *args: Any, **more: Any) -> Any:
        found = runs(arm, *args, **more)
        if next(iter(arm.values()))["architecture"] != "middle":
            return found
        return {
            seed: replace(run, patients=run.patients[1:], values=run.values[1:])
            for seed, run in found.items()
        }

    monkeypatch.setattr("transfergrid.statistics.interaction.runs", cut)
    with pytest.raises(UserError, match="Question 'grows' compares cells scored on different"):
        answered(tmp_path, QUESTION)


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
    assert shown.text.startswith("Is the difference between large and small the same as that ")
    assert len(shown.answers) == 2 and not shown.findings
    for one in shown.answers:
        row: pd.Series = rows[rows["subject"] == one.subject].set_index("quantity").loc["change"]
        assert one.clear is bool(row["low"] > 0 or row["high"] < 0)
        start = "The first less the second is" if one.clear else "That they differ could not"
        assert one.lead.startswith(start)
        assert "large − small " in one.rest and "middle − small " in one.rest
