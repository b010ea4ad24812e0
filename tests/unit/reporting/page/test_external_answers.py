"""What holds on films of other hospitals, in words."""

from __future__ import annotations

import math
from typing import Any

from unit.reporting.page.test_answers import shown

from transfergrid.catalog.external_question import EXTERNAL_ARMS, EXTERNAL_PAIRS
from transfergrid.reporting.page.external_answers import method

QUESTION = {"name": "holds", "kind": "external", "axis": "architecture", "where": {}}
PLACE = {"architecture": "", "pretraining": "random", "truncation": 0, "protocol": "tuned"}
ABOUT = {
    **PLACE,
    "question": "holds",
    "metric": "auroc",
    "dataset": "chest",
    "tested_on": "other",
    "axis": "architecture",
    "n_cells": 1,
    "n_seeds": 3,
    "conditional_on": "one released weight file",
}
ARM: dict[str, Any] = {
    **ABOUT,
    "arm": "resnet18",
    "internal": 0.91,
    "external": 0.85,
    "drop": 0.06,
    "drop_low": 0.02,
    "drop_high": 0.1,
    "p_drop": 0.001,
    "p_drop_adjusted": 0.003,
    "verdict": "worse",
    "rank_internal": 1.0,
    "rank_external": 3.0,
    "n_arms": 3,
    "tau": -0.333,
    "tau_low": -1.0,
    "tau_high": 0.333,
    "rho": -0.5,
    "rho_low": -1.0,
    "rho_high": 0.5,
    "n_patients_internal": 200,
    "n_patients_external": 1200,
}
OPEN = {
    "arm": "vit_tiny",
    "drop": -0.002,
    "drop_low": -0.05,
    "drop_high": 0.04,
    "p_drop_adjusted": 0.9,
    "verdict": "undecided",
}
GAIN = {
    "arm": "lcnet_050",
    "drop": -0.06,
    "drop_low": -0.1,
    "drop_high": -0.02,
    "verdict": "better",
}
PAIR: dict[str, Any] = {
    **ABOUT,
    "a": "resnet18",
    "b": "vit_tiny",
    "internal": 0.03,
    "internal_low": 0.01,
    "internal_high": 0.05,
    "p_internal": 0.001,
    "external": -0.04,
    "external_low": -0.07,
    "external_high": -0.01,
    "p_external": 0.01,
    "order": "swapped",
    "p_swap": 0.005,
    "p_swap_adjusted": 0.015,
    "p_kept": 1.0,
    "p_kept_adjusted": 1.0,
    "verdict": "swapped",
}
LOOSE = {"b": "lcnet_050", "verdict": "undecided", "p_swap_adjusted": 0.4}
HELD = {"a": "lcnet_050", "order": "kept", "verdict": "kept"}


def told(arms: list[dict[str, Any]], pairs: list[dict[str, Any]], **question: Any) -> Any:
    (found,) = shown({**QUESTION, **question}, external_arms=arms, external_pairs=pairs)
    return found


def test_rows_have_the_columns_that_the_tables_declare() -> None:
    assert {*ARM} == {*EXTERNAL_ARMS.header} and {*PAIR} == {*EXTERNAL_PAIRS.header}


def test_the_order_comes_first_then_swaps_then_each_drop() -> None:
    arms = [ARM, {**ARM, **OPEN}, {**ARM, **GAIN}]
    found = told(arms, [PAIR, {**PAIR, **LOOSE}, {**PAIR, **HELD}])
    assert found.text == "Does what was found of architectures hold on films of other hospitals?"
    order, swap, worse, unsure, better = found.answers
    assert order.sentence == (
        "The order of 3 arms on other goes with that at home by Kendall's tau −0.333 (−1 to "
        "0.333); of 3 pairs, 2 swap places (1 told apart from noise) and 1 surely keeps its order"
    )
    assert "Spearman's rho −0.5 (−1 to 0.5)" in order.support
    assert swap.sentence == (
        "resnet18 is better than vit_tiny at home and worse on other: +0.030 (+0.010 to +0.050) at "
        "home, −0.040 (−0.070 to −0.010) there"
    )
    assert "no swap: adjusted p = 0.015" in swap.support
    assert worse.sentence == (
        "resnet18 scores worse on other than at home, by 0.060 (0.020 to 0.100); macro AUROC 0.910 "
        "at home, 0.850 there"
    )
    assert worse.clear and worse.bounds == (0.02, 0.06, 0.1)
    assert unsure.sentence.startswith(
        "Whether vit_tiny scores worse on other than at home is open: a drop of −0.002 (−0.050 to "
        "+0.040);"
    )
    assert not unsure.clear
    assert better.sentence.startswith(
        "lcnet_050 scores better on other than at home, by 0.060 (0.020 to 0.100);"
    )
    assert "200 patients at home, 1\u202f200 there" in worse.support
    assert "taken as given: one released weight file" in worse.support
    assert found.left == "Of 3 pairs, 1 can neither be said to keep its order nor to swap."
    assert found.findings[0].quantity == "rank among 3 on other, 1 the best"
    assert found.findings[0].value == "3, at home 1"


def test_one_arm_has_a_drop_and_no_order() -> None:
    alone = dict.fromkeys(("tau", "tau_low", "tau_high", "rho", "rho_low", "rho_high"), math.nan)
    found = told([{**ARM, **alone, "n_arms": 1}], [{**PAIR, "question": "another"}])
    (drop,) = found.answers
    assert drop.lead.startswith("resnet18 scores worse") and not found.left


def test_weights_are_many_and_places_are_told_apart() -> None:
    place = {"axis": "pretraining", "pretraining": "", "architecture": "resnet18"}
    arms = [
        {**ARM, **place, "arm": "imagenet"},
        {**ARM, **place, "architecture": "", "n_cells": 2, "arm": "imagenet"},
    ]
    found = told(arms, [{**PAIR, **place, "a": "imagenet", "b": "random"}], axis="pretraining")
    assert found.text == "Does what was found of initial weights hold on films of other hospitals?"
    drops = [answer for answer in found.answers if "score worse" in answer.lead]
    assert [answer.subject for answer in drops] == ["resnet18", "Mean of 2 networks"]
    assert drops[0].lead == "ImageNet weights score worse on other than at home, by"
    (swap,) = (answer for answer in found.answers if "better than" in answer.lead)
    assert swap.lead == (
        "ImageNet weights are better than random weights at home and worse on other:"
    )
    # Only the pairs of its own place are counted.
    orders = [answer for answer in found.answers if "The order of" in answer.lead]
    assert [answer.rest.split(",")[0] for answer in orders] == ["; of 1 pair", "; of 0 pairs"]


def test_two_arms_are_a_pair_and_no_correlation() -> None:
    arms = [{**ARM, "n_arms": 2}, {**ARM, **OPEN, "n_arms": 2}]
    found = told(arms, [{**PAIR, "verdict": "undecided"}])
    loose = found.answers[0]
    assert not found.findings and not found.left
    assert loose.sentence == "On other the 2 arms rank the other way round, which may be noise"
    held = told(arms, [{**PAIR, "order": "kept", "verdict": "kept"}]).answers[0]
    assert held.sentence == "On other the 2 arms rank as at home, which is told apart from noise"


def test_a_recipe_that_follows_from_the_network_is_not_named() -> None:
    place = {"axis": "pretraining", "pretraining": ""}
    arms = [
        {**ARM, **place, "architecture": f"net{n}", "protocol": f"p{n}", "arm": f"weights{arm}"}
        for n in (1, 2)
        for arm in (1, 2, 3)
    ]
    found = told(arms, [{**PAIR, **place, "architecture": "net1"}], axis="pretraining")
    assert {answer.subject for answer in found.answers} == {"net1", "net2"}


def test_methods_say_what_the_test_is() -> None:
    (sentence,) = method(None)  # type: ignore[arg-type]
    assert "nothing was chosen by these scores" in sentence and "Gail and Simon" in sentence
