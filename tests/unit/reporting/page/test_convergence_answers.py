"""When trainings reach a level, in words."""

from __future__ import annotations

import math
from typing import Any

import pytest
from unit.reporting.page.asked import shown

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
            {"note": "one seed", "low": math.nan, "p": math.nan},
            "sooner than random weights cannot be decided: −9\u202f000 steps; one seed",
        ),
        (
            "cannot be decided",
            dict.fromkeys(("difference", "low", "high", "ratio", "p"), math.nan)
            | {"note": "no run of either arm reached the level"},
            "sooner than random weights cannot be decided: no run of either arm reached the level",
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


def test_one_seed_is_said_once_and_promises_no_interval() -> None:
    why = "one seed in an arm: no interval and no test"
    gone = dict.fromkeys(("low", "high", "ratio_low", "ratio_high", "p", "p_adjusted"), math.nan)
    rows = timed("cannot be decided", **gone, note=why, n_runs=1, n_reached=1)
    for row in rows:
        if row["arm"] == "imagenet":
            row["difference"] = {"steps": -1.0, "seconds": -0.2}[row["unit"]]
    (found,) = shown(SPEED, convergence=rows, budgets=[BUDGET], reached=[RUN])
    (answer,) = found.answers
    assert answer.sentence.endswith(f"cannot be decided: −1 step; {why}")
    told = " · ".join(answer.support)
    assert why not in told and "interval" not in told
    assert " · 0 seconds of the device" in told
    assert [one.n for one in found.findings][:2] == ["3 runs", "1 run"]
