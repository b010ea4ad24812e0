"""Contrasts in words."""

from __future__ import annotations

import math
from dataclasses import replace

import pandas as pd
import pytest
from unit.reporting.page.asked import ASKED, CONTRAST, CORRELATION, MANNER, SIZE_ASKED, shown

from transfergrid.reporting.page.contrast_answers import contrast_answer


def test_a_contrast_as_a_sentence_with_all_that_supports_it() -> None:
    answer = contrast_answer(CONTRAST, "resnet18", MANNER)
    assert answer.subject == "resnet18"
    assert (
        answer.sentence == "ImageNet weights raise AUROC by 0.034 (0.012 to 0.056) over random ones"
    )
    support = " · ".join(answer.support)
    for part in (
        "test of a difference: p = 0.003, adjusted p = 0.009",
        "1 pair of networks",
        "3 seeds",
        "234 studies of 200 patients in the test split of chest",
        "95 % interval",
        "method: paired t",
        "taken as given: one released weight file",
    ):
        assert part in support
    assert answer.clear
    assert answer.bounds == (0.012, 0.034, 0.056)
    masked = contrast_answer(CONTRAST, "", replace(MANNER, masked=frozenset({"chest"})))
    assert "234 films of 200 patients in the test split of chest" in masked.support


SIZE = "0.034 (0.012 to 0.056)"
WITHIN = "ImageNet weights and random weights are equivalent within ±0.02: difference "
NEITHER = "Neither a difference nor equivalence within ±0.02 between ImageNet weights and random "


@pytest.mark.parametrize(
    ("verdict", "margin", "estimate", "sentence"),
    [
        (
            "worse",
            math.nan,
            -0.034,
            "ImageNet weights lower AUROC by 0.034 (0.012 to 0.056)",
        ),
        (
            "undecided",
            math.nan,
            0.034,
            "No difference between ImageNet weights and random weights could be shown: +0.034",
        ),
        ("undecided", 0.02, 0.034, NEITHER + "weights could be shown: +0.034 (+0.012 to +0.056)"),
        ("equivalent", 0.02, 0.034, WITHIN + "+0.034 (+0.012 to +0.056)"),
        (
            "different within margin",
            0.02,
            0.034,
            "ImageNet weights raise AUROC by 0.034 (0.012 to 0.056) over random ones: different, "
            "but by less than the margin of ±0.02",
        ),
    ],
)
def test_every_verdict_has_its_sentence(
    verdict: str, margin: float, estimate: float, sentence: str
) -> None:
    sign = math.copysign(1, estimate)
    low, high = sorted((sign * 0.012, sign * 0.056))
    row = {**CONTRAST, "verdict": verdict, "margin": margin}
    row |= {"estimate": estimate, "low": low, "high": high}
    assert contrast_answer(row, "resnet18", MANNER).sentence.startswith(sentence)


@pytest.mark.parametrize(
    ("axis", "a", "b", "sentence"),
    [
        ("truncation", 1, 0, f"Removing one block raises AUROC by {SIZE} over the whole network"),
        (
            "truncation",
            "3",
            "1",
            f"Removing three blocks raises AUROC by {SIZE} over one block removed",
        ),
        (
            "protocol",
            "brief",
            "long",
            f"Recipe brief raises AUROC by {SIZE} over recipe long",
        ),
        (
            "architecture",
            "vgg16",
            "vgg11",
            f"vgg16 raises AUROC by {SIZE} over vgg11",
        ),
        ("pretraining", "birds", "random", f"Birds weights raise AUROC by {SIZE} over random ones"),
        (
            "pretraining",
            "imagenet_tf",
            "random",
            f"imagenet_tf weights raise AUROC by {SIZE} over random ones",
        ),
    ],
)
def test_every_axis_has_its_words(axis: str, a: object, b: object, sentence: str) -> None:
    row = {**CONTRAST, "axis": axis, "a": a, "b": b}
    assert contrast_answer(row, "", MANNER).sentence == sentence


def test_an_undecided_answer_says_what_it_would_take() -> None:
    row = {**CONTRAST, "verdict": "undecided", "power": 0.1, "seeds_needed": 12.0}
    assert contrast_answer(row, "", MANNER, 0.01).rest == (
        "; to find a difference of 0.01 would take 12 seeds"
    )
    assert contrast_answer({**row, "margin": 0.02}, "", MANNER, 0.01).rest == (
        "; to show equivalence, if there is no difference, would take 12 seeds"
    )
    never = {**row, "seeds_needed": math.inf}
    assert "more patients, whatever the number of seeds" in contrast_answer(never, "", MANNER).rest
    alone = {**row, "seeds_needed": math.nan, "n_seeds": 1}
    assert "more than one seed" in contrast_answer(alone, "", MANNER).rest


@pytest.mark.parametrize(
    ("rests_on", "first"),
    [("p_difference", "test of a difference: p < 0.001"), ("p_equivalence", "test of equivalence")],
)
def test_the_p_value_that_the_verdict_rests_on_comes_first(rests_on: str, first: str) -> None:
    row = {**CONTRAST, "p_difference": 1e-5, "p_equivalence": 0.997, "margin": 0.01}
    row |= {"p_equivalence_adjusted": 1.0, "verdict_rests_on": rests_on}
    told = contrast_answer(row, "resnet18", MANNER).support[:2]
    assert told[0].startswith(first)
    assert sorted(told) == [
        "test of a difference: p < 0.001, adjusted p = 0.009",
        "test of equivalence: p = 0.997, adjusted p = 1.000",
    ]


def test_power_says_what_it_is_for() -> None:
    row = {**CONTRAST, "power": 0.414}
    assert (
        "power 41 % to find a difference of 0.01" in contrast_answer(row, "", MANNER, 0.01).support
    )
    row["margin"] = 0.02
    assert "power 41 % to show equivalence" in contrast_answer(row, "", MANNER, 0.01).support


def test_what_rows_share_is_said_once_and_the_widest_comes_first() -> None:
    mean = {
        **CONTRAST,
        "contrast": "mean of 2 networks: imagenet - random",
        "architecture": math.nan,
        "n_cells": 2,
        "n_cells_asked": 3,
    }
    other = {**ASKED, "name": "other", "axis": "truncation", "baseline": 0}
    first, second = shown(ASKED, other, contrasts=[CONTRAST, mean])
    assert [answer.subject for answer in first.answers] == [
        "Mean of 2 of 3 networks",
        "resnet18",
    ]
    assert "3 seeds" in first.common
    assert "3 seeds" not in first.answers[0].support
    assert "2 pairs of networks" in first.answers[0].support
    bars = [answer.bar for answer in first.answers]
    assert all(bar is not None and 50 < bar.low < bar.middle < bar.high < 100 for bar in bars)
    assert second.answers == ()


def test_decided_rows_come_first_among_those_over_as_many_networks() -> None:
    rows = [
        {**CONTRAST, "architecture": name, "n_cells": cells, "verdict": verdict}
        | {"n_cells_asked": cells}
        for name, cells, verdict in (
            ("a", 1, "undecided"),
            ("b", 1, math.nan),
            ("c", 1, "better"),
            (math.nan, 2, "undecided"),
            ("d", 1, "equivalent"),
        )
    ]
    (question,) = shown(ASKED, contrasts=rows)
    assert [answer.subject[0] for answer in question.answers] == list("Mcdab")


def test_one_wild_interval_is_cut_and_leaves_the_others_their_width() -> None:
    wild = {**CONTRAST, "architecture": "wild"}
    wild |= {"low": -5.0, "high": 5.0, "conditional_on": "conditional on this seed; one file"}
    (question,) = shown(ASKED, contrasts=[CONTRAST, CONTRAST, CONTRAST, wild])
    bars = [answer.bar for answer in question.answers]
    assert bars[0] is not None and bars[0].high - bars[0].low > 10
    assert bars[3] is not None and (bars[3].low, bars[3].high, bars[3].cut) == (0, 100, True)
    assert "taken as given: this seed, one file" in question.answers[3].support


def test_only_what_varies_among_the_rows_of_a_question_is_named() -> None:
    rows = pd.DataFrame(
        [
            {**CONTRAST, "architecture": name, "truncation": cut, "protocol": recipe}
            for name, recipe in (("resnet18", "long"), ("lcnet", "brief"))
            for cut in (0, 2)
        ]
    )
    (question,) = shown(ASKED, contrasts=rows)
    # The recipe follows from the network, data and weights are the same.
    assert [answer.subject for answer in question.answers] == [
        f"{name}, {cut}"
        for name in ("resnet18", "lcnet")
        for cut in ("whole network", "two blocks removed")
    ]
    (question,) = shown(ASKED, contrasts=rows[rows["truncation"] == 0])
    assert [answer.subject for answer in question.answers] == ["resnet18", "lcnet"]
    words = " ".join(answer.sentence + answer.subject for answer in question.answers)
    assert "drop" not in words


def test_a_metric_of_which_less_is_better_is_told_as_such() -> None:
    row = {**CONTRAST, "metric": "brier", "estimate": -0.034, "low": -0.056, "high": -0.012}
    answer = contrast_answer({**row, "verdict": "better"}, "", MANNER)
    assert answer.sentence == (
        "ImageNet weights lower Brier score (lower is better) by 0.034 (0.012 to 0.056) against "
        "random ones"
    )
    assert answer.verdict == "better"
    assert any("difference in macro Brier score with 95 %" in part for part in answer.support)
    asked = {**ASKED, "metric": "brier"}
    (question,) = shown(asked, contrasts=[row])
    assert question.text.endswith("compared with random weights (Brier score)?")
    size = {**CORRELATION, "metric": "log_loss"}
    (question,) = shown({**SIZE_ASKED, "metric": "log_loss"}, correlations=[size])
    assert question.text == "Does the number of parameters go with the log loss?"
    assert question.answers[0].lead.startswith("No relation between log loss and the number")
