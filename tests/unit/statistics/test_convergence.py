"""Convergence questions on curves by formula, whose times to the level are known."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from transfergrid.catalog.converged import BUDGETS, CONVERGENCE, REACHED
from transfergrid.planning.metrics import built_in
from transfergrid.statistics.basis import Answered, Basis
from transfergrid.statistics.convergence import convergence
from transfergrid.statistics.curves import Curve

QUESTION: dict[str, Any] = {
    "name": "speed",
    "kind": "convergence",
    "axis": "pretraining",
    "baseline": "random",
    "level": 0.8,
    "share": None,
    "horizon": None,
    "budgets": None,
    "where": {},
}
GRID = np.arange(50.0, 1001.0, 50.0)


def run(time: float, ended_by: str = "epochs", grid: np.ndarray = GRID) -> Curve:
    """A curve from .5 towards .9 that passes .8 after so many steps, looked at every 50 steps."""
    pace = time / math.log(0.4 / 0.1)
    return Curve(grid, 32 * grid, grid / 10, 0.9 - 0.4 * np.exp(-grid / pace), ended_by)


TIMES: dict[str, tuple[float, ...]] = {
    "random": (610.0, 640.0, 830.0),
    "imagenet": (120.0, 160.0, 210.0),
}
SEEN = {"random": [650, 650, 850], "imagenet": [150, 200, 250]}
"""The first validations at .8 or above."""


def asked(
    arms: dict[str, list[Curve]], metric: str = "auroc", device: str = "cpu", **changes: Any
) -> Answered:
    """Ask of runs of one network, seeds from 0."""
    entries, curves = [], {}
    for arm, own in arms.items():
        for seed, one in enumerate(own):
            cell = f"{arm}{seed}"
            place = {"dataset": "films", "architecture": "net", "truncation": 0, "protocol": "p"}
            entries.append({**place, "cell": cell, "pretraining": arm, "seed": seed})
            curves[cell] = one
    reader: Any = SimpleNamespace(
        targets=entries,
        curve=curves.__getitem__,
        device=lambda cell: device if cell.startswith("random") else "cpu",
        metric_of=lambda dataset: built_in(metric),
    )
    return convergence({**QUESTION, **changes}, Basis({}, None, reader, 0.05))


def rows(found: Answered, unit: str = "steps") -> dict[str, Any]:
    return {row.arm: row for row in found.rows if row.asked.unit == unit}


def beside(found: Answered, table: str) -> list[Any]:
    """Rows of another table, their columns as attributes."""
    return [SimpleNamespace(**row) for row in found.beside[table]]


def planted() -> dict[str, list[Curve]]:
    return {arm: [run(time) for time in times] for arm, times in TIMES.items()}


def test_planted_times_are_found_and_compared_as_scipy_does() -> None:
    found = asked(planted())
    steps = rows(found)
    assert list(steps) == ["random", "imagenet"] and not found.left_out
    for arm, row in steps.items():
        assert row.restricted_mean == pytest.approx(np.mean(SEEN[arm]))
        assert (row.n_runs, row.n_reached, row.median) == (3, 3, np.sort(SEEN[arm])[1])
        assert row.horizon == 850  # nothing is censored
    row = steps["imagenet"]
    other = stats.ttest_ind(SEEN["imagenet"], SEEN["random"], equal_var=False)
    ends = other.confidence_interval(0.95)
    assert (row.low, row.high, row.p) == pytest.approx((ends.low, ends.high, other.pvalue))
    logs = [np.log(SEEN[arm]) for arm in ("imagenet", "random")]
    ratio = stats.ttest_ind(*logs, equal_var=False).confidence_interval(0.95)
    assert row.ratio == pytest.approx(np.exp(logs[0].mean() - logs[1].mean()))
    assert (row.ratio_low, row.ratio_high) == pytest.approx((np.exp(ratio.low), np.exp(ratio.high)))
    assert row.verdict == "sooner" and row.p_adjusted == row.p
    # Three against three can give no p below .1.
    assert row.p_permutation == row.p_permutation_least == pytest.approx(0.1)
    assert row.permutation == "cannot be decided"
    assert steps["random"].verdict == "" and math.isnan(steps["random"].difference)
    for unit, factor in (("examples", 32), ("seconds", 0.1)):
        there = rows(found, unit)["imagenet"]
        assert (there.difference, there.horizon) == pytest.approx(
            (row.difference * factor, 850 * factor)
        )
        assert there.ratio == pytest.approx(row.ratio)
    keys = row.evidence().keys
    assert (keys["a"], keys["b"], keys["unit"]) == ("imagenet", "random", "steps")
    assert row.evidence().value == row.ratio


def test_every_table_has_its_columns() -> None:
    found = asked(planted())
    made = {"convergence": [row.columns() for row in found.rows], **found.beside}
    for table in (CONVERGENCE, BUDGETS, REACHED):
        assert made[table.name] and all(set(row) == set(table.header) for row in made[table.name])


def test_runs_that_never_reach_the_level_count_as_the_horizon() -> None:
    arms = planted()
    arms["random"][2] = run(3000.0)
    found = asked(arms)
    row = rows(found)["random"]
    assert (row.n_reached, row.horizon, row.median) == (2, 1000, 650)
    assert row.restricted_mean == pytest.approx(np.mean([650, 650, 1000]))
    # Greenwood: two of three at 650, one left until 1000.
    assert row.restricted_mean_se == pytest.approx(math.sqrt((350 / 3) ** 2 * 2 / 3))
    last = beside(found, "reached")[2]
    assert not last.reached and last.steps == 1000
    assert rows(found)["imagenet"].note == "1 of 6 runs never reached the level by the horizon"
    arms["random"][1] = run(3000.0)
    assert math.isnan(rows(asked(arms))["random"].median)


def test_a_shorter_training_draws_the_horizon_in() -> None:
    arms = planted()
    arms["random"][2] = run(3000.0, grid=GRID[:4])
    found = rows(asked(arms))
    assert found["random"].horizon == found["imagenet"].horizon == 200
    assert (found["random"].n_reached, found["imagenet"].n_reached) == (0, 2)
    # One that ended of itself would never have come, so time goes on.
    arms["random"][2] = run(3000.0, "patience", GRID[:4])
    found = rows(asked(arms))
    assert found["random"].horizon == 1000 and found["random"].n_reached == 2
    assert rows(asked(arms, horizon=400))["random"].horizon == 400


def test_a_level_that_no_arm_reaches_cannot_be_decided() -> None:
    found = asked(planted(), level=0.95)
    row = rows(found)["imagenet"]
    assert (row.n_reached, row.restricted_mean) == (0, 1000)
    assert row.verdict == row.permutation == "cannot be decided"
    assert "no run of either arm reached the level" in row.note
    nothing = (row.difference, row.low, row.p, row.ratio, row.p_permutation)
    assert all(map(math.isnan, (*nothing, row.evidence().value)))
    budgets = {(b.arm, b.budget) for b in beside(found, "budgets")}
    assert ("imagenet", 1000) in budgets  # what was reached is told all the same


def test_a_level_that_all_start_from_tells_nothing() -> None:
    """Arms that are looked at more or less often differ in when, and in nothing that they learn."""
    arms = {"random": [run(160.0, grid=GRID[3::4])] * 3, "imagenet": [run(120.0, grid=GRID)] * 3}
    sooner = rows(asked(arms, level=0.62))["imagenet"]
    assert sooner.difference == 50 - 200
    assert sooner.verdict == sooner.permutation == "cannot be decided"
    assert "was at the level when it was first validated" in sooner.note
    nothing = (sooner.low, sooner.high, sooner.p, sooner.ratio_low, sooner.p_permutation)
    assert all(map(math.isnan, nothing))
    arms["random"] = [run(620.0, grid=GRID[3::4])] * 3
    assert rows(asked(arms, level=0.65))["imagenet"].verdict == "sooner"


@pytest.mark.parametrize(
    ("level", "metric", "none"), [(0.5, "auroc", 0.5), (0, "quadratic_kappa", 0)]
)
def test_a_level_that_takes_no_skill_is_left_out(level: float, metric: str, none: float) -> None:
    found = asked(planted(), metric, level=level)
    assert found.rows == [] and not found.beside["reached"]
    told = f"has the level {level:.3g}, and {metric} is {none:g} for a network that has learned"
    assert told in found.left_out[0]
    shared = asked(planted(), level=None, share=0.55)
    assert shared.rows == [] and "for a network that has learned nothing" in shared.left_out[0]
    # What a Brier score is without any skill depends on the share of positives.
    assert asked(planted(), "brier", level=0.7).rows


def test_one_seed_has_no_interval_and_no_test() -> None:
    found = asked({arm: runs[:1] for arm, runs in planted().items()})
    row = rows(found)["imagenet"]
    assert row.difference == 150 - 650
    assert all(math.isnan(value) for value in (row.low, row.high, row.p, row.ratio_low))
    assert row.verdict == row.permutation == "cannot be decided"
    assert "one seed in an arm" in row.note and row.p_permutation_least == 1
    (budget,) = [b for b in beside(found, "budgets") if (b.arm, b.budget) == ("imagenet", 500)]
    assert budget.verdict == "cannot be decided" and math.isnan(budget.low)


def test_arms_that_never_vary_still_have_the_error_of_rounding() -> None:
    arms = {"random": [run(620.0)] * 3, "imagenet": [run(130.0)] * 3}
    row = rows(asked(arms))["imagenet"]
    error = math.sqrt(2 * 50**2 / 12 / 3)
    arm = stats.t.isf(0.025, 4) * error
    assert (row.low, row.high) == pytest.approx((-500 - arm, -500 + arm))


def test_a_share_is_one_of_the_best_arm_s_final_value() -> None:
    arms = planted()
    ends = [one.values[-1] for one in arms["imagenet"]]
    row = rows(asked(arms, level=None, share=0.9))["imagenet"]
    assert row.asked.level == pytest.approx(0.9 * np.mean(ends))
    assert (
        row.note
        == "level found in these runs (0.9 of the best arm's final value) and taken as given"
    )
    assert row.evidence().condition == row.note and rows(asked(arms))["imagenet"].note == ""
    loss = {
        arm: [Curve(c.steps, c.examples, c.seconds, 1 - c.values) for c in own]
        for arm, own in arms.items()
    }
    lost = rows(asked(loss, "log_loss", level=None, share=0.9))["imagenet"]
    assert lost.asked.level == pytest.approx((1 - np.mean(ends)) / 0.9)
    assert rows(asked(loss, "log_loss", level=0.2))["imagenet"].difference == pytest.approx(
        rows(asked(arms))["imagenet"].difference
    )
    below = {
        arm: [Curve(c.steps, c.examples, c.seconds, c.values - 2) for c in own]
        for arm, own in arms.items()
    }
    found = asked(below, "quadratic_kappa", level=None, share=0.9)
    assert found.rows == [] and "no level of 0.9 of a best final value" in found.left_out[0]


def test_a_run_that_diverged_counts_as_one_that_never_comes() -> None:
    arms = planted()
    nothing = np.zeros(0)
    arms["random"][2] = Curve(nothing, nothing, nothing, nothing, "diverged")
    found = asked(arms)
    row = rows(found)["random"]
    assert (row.n_runs, row.n_reached, row.horizon) == (3, 2, 1000)
    last = beside(found, "reached")[2]
    assert (last.n_validations, last.ended_by) == (0, "diverged")
    # An arm that never trains at all is later, by far more than the other's slowest run.
    arms["random"] = [arms["random"][2]] * 3
    row = rows(asked(arms))["imagenet"]
    assert row.verdict == "sooner" and row.difference == np.mean(SEEN["imagenet"]) - 1000
    gone = {arm: [Curve(*[nothing] * 4, ended_by="diverged")] for arm in TIMES}
    left = asked(gone)
    assert left.rows == [] and "no run that was ever validated" in left.left_out[0]


def test_a_run_that_was_not_validated_in_time_leaves_no_horizon() -> None:
    arms = {**planted(), "imagenet": [run(160.0, grid=GRID[1::2])] * 3}
    found = asked(arms, horizon=70)
    assert found.rows == [] and not found.beside["budgets"]
    assert "runs of imagenet without a validation by step 70" in found.left_out[0]
    arms["imagenet"][2:] = [Curve(*[np.zeros(0)] * 4)]
    assert "of imagenet without a validation, which" in asked(arms).left_out[0]


def test_the_best_within_budgets_is_compared() -> None:
    found = beside(asked(planted(), budgets=[100, 1000, 5000]), "budgets")
    by = {(row.arm, row.budget): row for row in found}
    best = {
        arm: [one.values[1] for one in own]  # the second validation is at 100 steps
        for arm, own in planted().items()
    }
    early = by["imagenet", 100]
    other = stats.ttest_ind(best["imagenet"], best["random"], equal_var=False)
    ends = other.confidence_interval(0.95)
    assert early.value == pytest.approx(np.mean(best["imagenet"]))
    assert (early.low, early.high, early.p) == pytest.approx((ends.low, ends.high, other.pvalue))
    assert early.verdict == "better" and early.p_adjusted >= early.p
    assert [by["random", b].n_ended for b in (100, 1000, 5000)] == [0, 0, 3]
    assert by["random", 5000].value == by["random", 1000].value
    usual = beside(asked(planted()), "budgets")
    assert sorted({row.budget for row in usual}) == [125, 250, 500, 1000]
    late = {**planted(), "random": [run(620.0, grid=GRID[4:])] * 3}
    first = [row for row in beside(asked(late, budgets=[100]), "budgets")]
    assert [(row.arm, row.verdict) for row in first] == [("imagenet", "cannot be decided")]


def test_what_is_missing_is_told() -> None:
    assert asked({"random": planted()["random"]}).rows == []  # no other arm: planning has said so
    found = asked(planted(), baseline="shapes")
    assert found.rows == [] and "has no baseline shapes; it is left out" in found.left_out[0]
    noted = rows(asked(planted(), device="NVIDIA H100"), "seconds")["imagenet"].note
    assert noted == "runs were on NVIDIA H100, cpu"
    assert rows(asked(planted(), device="NVIDIA H100"))["imagenet"].note == ""


def test_p_values_are_adjusted_within_a_unit() -> None:
    arms = {**planted(), "films": [run(time) for time in (500.0, 560.0, 780.0)]}
    for unit in ("steps", "seconds"):
        found = rows(asked(arms), unit)
        assert found["imagenet"].p_adjusted == pytest.approx(2 * found["imagenet"].p)
        assert found["films"].p_adjusted == pytest.approx(found["films"].p)
        assert found["films"].verdict == "undecided"
