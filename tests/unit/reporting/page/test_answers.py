from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest
from unit.reporting.built_in_words import WORDS

from transfergrid.reporting.page.answer import Manner
from transfergrid.reporting.page.answers import Question, question_text, questions
from transfergrid.reporting.page.contrast_answers import contrast_answer
from transfergrid.reporting.page.correlation_answers import correlation_answer

CONTRAST: dict[str, Any] = {
    "contrast": "resnet18: imagenet - random",
    "question": "boost",
    "axis": "pretraining",
    "architecture": "resnet18",
    "pretraining": "",
    "truncation": 0,
    "protocol": "tuned",
    "n_cells_asked": 1,
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
    "verdict": "better",
    "verdict_rests_on": "p_difference",
    "conditional_on": "one released weight file",
}
CORRELATION: dict[str, Any] = {
    "question": "size",
    "x": "params",
    "y": "score",
    "metric": "auroc",
    "dataset": "chest",
    "pretraining": "random",
    "truncation": 0,
    "protocol": "tuned",
    "n": 16,
    "rho": 0.06,
    "low": -0.45,
    "high": 0.54,
    "p": 0.82,
    "method": "Fisher z",
}


ASKED: dict[str, Any] = {"axis": "pretraining", "baseline": "random", "effect": None}
ASKED |= {"name": "boost", "kind": "contrast"}
SIZE_ASKED = {"name": "size", "kind": "correlation", "x": "params", "y": "score", "where": {}}
MANNER = Manner(0.95, WORDS, frozenset({"auroc"}))


def shown(*declared: dict[str, Any], **tables: Any) -> list[Question]:
    """Return what the page shows of questions, given the rows of some tables."""
    empty = {"contrasts": [CONTRAST], "correlations": [CORRELATION]}
    empty |= {"findings": [{"question": "", "networks": ""}]}
    frames = {name: pd.DataFrame(rows).iloc[:0] for name, rows in empty.items()}
    frames |= {name: pd.DataFrame(rows) for name, rows in tables.items()}
    return questions(declared, frames, MANNER)


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
        "234 studies of 200 patients in chest's test split",
        "95 % interval",
        "method: paired t",
        "taken as given: one released weight file",
    ):
        assert part in support
    assert answer.clear
    assert answer.bounds == (0.012, 0.034, 0.056)


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


def test_power_says_what_it_is_for() -> None:
    row = {**CONTRAST, "power": 0.414}
    assert (
        "power 41 % to find a difference of 0.01" in contrast_answer(row, "", MANNER, 0.01).support
    )
    row["margin"] = 0.02
    assert "power 41 % to show equivalence" in contrast_answer(row, "", MANNER, 0.01).support


def test_quantities_stand_under_their_question_means_first_and_blanks_last() -> None:
    row = {"question": "cuts", "kind": "efficiency", "networks": "mean", "subject": "m"}
    rows = [
        {**row, "quantity": "blocks_no_loss_found", "value": math.nan},
        {**row, "quantity": "macs_ratio_non_inferior", "value": 2, "networks": "a"},
        {**row, "quantity": "params_ratio_non_inferior", "value": 3},
        {**row, "question": "other", "quantity": "seed_sd", "value": 0.004},
    ]
    noise = {"name": "other", "kind": "seed_noise", "where": {}}
    first, second = shown({"name": "cuts", "kind": "efficiency"}, noise, findings=rows)
    assert first.text == "How far can networks be cut and lose less than the margin?"
    assert [(one.quantity, one.value) for one in first.findings] == [
        ("parameters, whole / cut, largest cut shown to lose less than the margin", "3"),
        ("multiply-accumulates, whole / cut, largest cut shown to lose less than the margin", "2"),
        (
            "blocks removed, largest cut before a loss is found, which depends on the test set's "
            "size",
            "–",
        ),
    ]
    assert second.text == "How far do seeds spread, against networks?"
    assert [(one.quantity, one.value) for one in second.findings] == [("SD between seeds", "0.004")]


def test_what_no_study_asks_is_shown_where_it_has_rows() -> None:
    row = {"question": "published against ours", "kind": "published", "networks": ""}
    row |= {"subject": "s", "quantity": "mean_difference", "value": 0.1}
    assert shown() == []
    (question,) = shown(findings=[row])
    assert question.text.startswith("How do the AUROCs of the paper's own figure")
    assert question.findings[0].quantity == "mean of ours minus the figure's"


def test_a_question_of_the_user_s_own_is_told_in_the_user_s_words() -> None:
    own = {"name": "rank_of_nets", "kind": "my_lab:rank", "text": "Which net is best?"}
    row = {"question": "rank_of_nets", "networks": "", "subject": "films", "value": 1.5}
    (question,) = shown(own, findings=[{**row, "quantity": "best_by"}])
    assert question.text == "Which net is best?"
    assert (question.findings[0].quantity, question.findings[0].value) == ("best by", "1.5")
    (question,) = shown({**own, "text": None})
    assert question.text == "Rank of nets?"


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


def test_questions_in_words() -> None:
    contrast = {"kind": "contrast", "axis": "pretraining", "baseline": "random"}
    assert question_text(contrast, MANNER) == (
        "What do other initial weights change, compared with random weights?"
    )
    cut = {"kind": "contrast", "axis": "truncation", "baseline": 0, "where": {"dataset": "chest"}}
    assert question_text(cut, MANNER).endswith("compared with the whole network (on chest only)?")
    size = {"kind": "correlation", "x": "params", "y": "boost", "where": {"truncation": 0}}
    assert question_text(size, MANNER) == (
        "Does the number of parameters go with the boost (whole networks)?"
    )


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


SPEED: dict[str, Any] = {
    "name": "speed",
    "kind": "convergence",
    "axis": "pretraining",
    "baseline": "random",
    "level": 0.8,
    "share": None,
    "where": {},
}
ARM: dict[str, Any] = {
    "question": "speed",
    "axis": "pretraining",
    "baseline": "random",
    "dataset": "chest",
    "architecture": "resnet18",
    "pretraining": "",
    "truncation": 0,
    "protocol": "tuned",
    "metric": "auroc",
    "level": 0.8,
    "n_runs": 3,
    "note": "",
}
RUN = {**ARM, "arm": "random", "reached": True}
BUDGET = {**ARM, "arm": "imagenet", "budget": 1000, "n_ended": 1, "value": 0.85, "value_low": 0.8}
BUDGET |= {"value_high": 0.9, "difference": 0.05, "low": 0.01, "high": 0.09, "p_adjusted": 0.02}
BUDGET |= {"verdict": "better"}


def timed(verdict: str = "sooner", **changes: Any) -> list[dict[str, Any]]:
    """Rows of convergence.csv of two arms, in steps and seconds."""
    rows = []
    for unit, factor in (("steps", 1.0), ("seconds", 0.1)):
        same = {**ARM, "unit": unit, "horizon": 20_000 * factor}
        base = {"n_reached": 2, "median": 9000 * factor, "restricted_mean": 12_000 * factor}
        base |= {"restricted_mean_low": 7000 * factor, "restricted_mean_high": 17_000 * factor}
        own = {**base, "n_reached": 3, "difference": -9000 * factor, "low": -12_000 * factor}
        own |= {"high": -6000 * factor, "p": 0.01, "p_adjusted": 0.02, "ratio": 0.25}
        own |= {"ratio_low": 0.2, "ratio_high": 0.31, "p_permutation": 0.1}
        own |= {"p_permutation_least": 0.1, "permutation": "cannot be decided"}
        own |= {"verdict": verdict, "method": "Welch's t"}
        rows += [{**same, **base, "arm": "random"}, {**same, **own, "arm": "imagenet", **changes}]
    return rows


def test_when_trainings_reach_a_level_in_words() -> None:
    (found,) = shown(SPEED, convergence=timed(), budgets=[BUDGET], reached=[RUN])
    assert found.text == "How soon does validation AUROC reach 0.8, compared with random weights?"
    (answer,) = found.answers
    assert answer.sentence == (
        "ImageNet weights reach validation AUROC 0.8 sooner than random weights, by "
        "at least 9\u202f000 steps (6\u202f000 to 12\u202f000); runs that were not there by step "
        "20\u202f000 count as 20\u202f000"
    )
    for part in (
        "3 of 3 and 2 of 3 runs by step 20\u202f000",
        "Welch's test: p = 0.010, adjusted p = 0.020",
        "difference in mean steps, none counted beyond 20\u202f000, with 95 % interval over seeds, "
        "not adjusted; p adjusted by Holm's method within the question",
        "permutation test: p = 0.100, cannot be decided, as these runs allow no p below 0.100",
        "at most 0.25 times the baseline's steps (0.2 to 0.31)",
        "−900 seconds of the device (−1\u202f200 to −600)",
    ):
        assert part in answer.support
    assert answer.clear and answer.bar is not None
    assert [(one.subject, one.quantity, one.value, one.note) for one in found.findings] == [
        (
            "resnet18, random weights",
            "mean steps to the level, none counted beyond 20\u202f000",
            "12\u202f000",
            "2 of 3 reached it; median 9\u202f000",
        ),
        (
            "resnet18, ImageNet weights",
            "mean steps to the level, none counted beyond 20\u202f000",
            "12\u202f000",
            "3 of 3 reached it; median 9\u202f000",
        ),
        (
            "resnet18, ImageNet weights",
            "best validation AUROC within 1\u202f000 steps",
            "0.850",
            "0.050 (0.010 to 0.090) against the baseline, adjusted p = 0.020, better, 1 had ended "
            "before",
        ),
    ]


@pytest.mark.parametrize(
    ("verdict", "own", "base", "least", "cut"),
    [
        ("sooner", 3, 3, False, False),
        ("sooner", 3, 2, True, True),
        ("sooner", 2, 3, False, True),  # further, or not as far
        ("sooner", 2, 1, False, True),
        ("later", 2, 3, True, True),
        ("later", 3, 2, False, True),
        ("undecided", 3, 2, False, True),
    ],
)
def test_arms_are_at_least_as_far_apart_where_the_later_one_alone_has_runs_that_never_came(
    verdict: str, own: int, base: int, least: bool, cut: bool
) -> None:
    rows = timed(verdict)
    for row in rows:
        row["n_reached"] = base if row["arm"] == "random" else own
    (found,) = shown(SPEED, convergence=rows, budgets=[BUDGET], reached=[RUN])
    (answer,) = found.answers
    assert ("at least 9" in answer.number) == least
    assert ("count as 20\u202f000" in answer.sentence) == cut
    bound = {"sooner": "at most ", "later": "at least "}.get(verdict, "") if least else ""
    assert f"{bound}0.25 times the baseline's steps (0.2 to 0.31)" in answer.support


@pytest.mark.parametrize(
    ("verdict", "changes", "words"),
    [
        ("undecided", {}, "No difference in when ImageNet weights and random weights reach"),
        (
            "cannot be decided",
            {"note": "no run of either arm reached the level", "low": math.nan, "p": math.nan},
            "sooner than random weights cannot be decided: −9\u202f000 steps; no run of either arm",
        ),
        ("later", {"difference": 500.0, "low": 100.0, "high": 900.0}, "later than random weights"),
    ],
)
def test_every_verdict_on_convergence_has_its_sentence(
    verdict: str, changes: dict[str, Any], words: str
) -> None:
    (found,) = shown(SPEED, convergence=timed(verdict, **changes), budgets=[BUDGET], reached=[RUN])
    assert words in found.answers[0].sentence


def test_a_level_that_none_reached_is_told_and_a_share_is_named() -> None:
    asked = {**SPEED, "level": None, "share": 0.95}
    never = [{**RUN, "reached": False}] * 6
    rows = timed("cannot be decided")
    (found,) = shown(asked, convergence=rows, budgets=[BUDGET], reached=never)
    assert "reach 95 % of the best final value, compared" in found.text
    assert found.left.startswith("None of 6 runs reached the level")
    assert "0.8 (95 % of the best final value) sooner than" in found.answers[0].sentence
