"""What a history says of when a level is reached: no interpolation, censoring, units."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from transfergrid.statistics.curves import (
    Curve,
    Reached,
    common_horizon,
    curve_of,
    over_folds,
    reached,
)

STEPS = np.array([10.0, 20.0, 30.0, 40.0])


def curve(*values: float, ended_by: str = "epochs") -> Curve:
    steps = STEPS[: len(values)]
    return Curve(steps, 16 * steps, steps / 4, np.array(values), ended_by)


def history(*values: float | None) -> list[dict[str, Any]]:
    """Lines of history.jsonl of 10 steps of 16 images each; the device slows down by half."""
    return [
        {
            "step": 10 * number,
            "examples": 160 * number,
            "valid_score": value,
            "images_per_second": 80.0 / number,
        }
        for number, value in enumerate(values, start=1)
    ]


def test_the_time_is_that_of_the_first_validation_at_the_level() -> None:
    seen = curve(0.6, 0.79, 0.85, 0.7)
    assert reached(seen, 0.8, 1, "steps") == Reached(30.0, math.inf, 40.0, 20.0)
    assert reached(seen, 0.85, 1, "examples").time == 480.0  # at the level is enough
    assert reached(seen, 0.5, 1, "seconds") == Reached(2.5, math.inf, 10.0, 0.0)
    assert reached(seen, 0.7, -1, "steps").time == 10.0  # a loss


def test_a_run_that_never_reaches_it_is_censored_or_known_never_to() -> None:
    open_end = reached(curve(0.6, 0.7), 0.8, 1, "steps")
    assert open_end.never and (open_end.end, open_end.before) == (20.0, 20.0)
    for end in ("patience", "diverged"):
        assert math.isinf(reached(curve(0.6, 0.7, ended_by=end), 0.8, 1, "steps").end)
    nothing = reached(Curve(*[np.zeros(0)] * 4, ended_by="diverged"), 0.8, 1, "steps")
    assert nothing.never and nothing.last == 0


def test_the_horizon_is_where_the_first_run_was_left_that_might_still_have_come() -> None:
    def runs(*curves: Curve) -> list[Reached]:
        return [reached(one, 0.8, 1, "steps") for one in curves]

    fast, short = curve(0.9, 0.9, 0.9, 0.9), curve(0.5, 0.6)
    long, gave_up = curve(0.5, 0.6, 0.7, 0.7), curve(0.5, 0.5, ended_by="patience")
    assert common_horizon(runs(fast, long, short)) == 20
    assert common_horizon(runs(fast, long, gave_up)) == 40
    # Nothing is open, so what is known is known for ever.
    assert common_horizon(runs(fast, curve(0.5, 0.6, 0.9))) == 30
    assert common_horizon(runs(fast, gave_up)) == 40


def test_seconds_are_those_of_the_steps_alone() -> None:
    found = curve_of(
        history(0.6, None, 0.8), {"status": "finished", "phases": [{"ended_by": "patience"}]}
    )
    # 160 images at 80, 40 and 26.7 a second; the validation without a number is no point.
    np.testing.assert_allclose(found.seconds, [2, 12])
    np.testing.assert_array_equal(found.steps, [10, 30])
    assert found.gave_up and found.ended_by == "patience"
    over = {"status": "diverged", "phases": [{"ended_by": "diverged"}]}
    assert curve_of(history(0.6), over).ended_by == "diverged"
    assert curve_of([], {"status": "diverged", "phases": []}).gave_up
    assert not curve_of(history(0.6), {"status": "finished", "phases": []}).gave_up


def test_a_horizon_cuts_a_run_and_then_it_has_not_ended() -> None:
    seen = curve(0.6, 0.7, 0.9, ended_by="patience")
    assert seen.until(30) is seen
    cut = seen.until(29.5)
    np.testing.assert_array_equal(cut.steps, [10, 20])
    assert not cut.gave_up and cut.reaches(0.8, 1) is None


def test_the_best_within_a_budget() -> None:
    seen = curve(0.6, 0.8, 0.7, 0.9)
    assert [seen.best(budget, 1) for budget in (20, 35, 40)] == [0.8, 0.8, 0.9]
    assert seen.best(35, -1) == 0.6
    assert math.isnan(seen.best(9, 1))


def test_a_run_over_folds_is_the_mean_of_their_curves() -> None:
    both = over_folds([curve(0.6, 0.8, 0.9, ended_by="patience"), curve(0.8, 0.6)])
    np.testing.assert_allclose(both.values, [0.7, 0.7])
    np.testing.assert_allclose(both.seconds, [5, 10])
    np.testing.assert_allclose(both.steps, [10, 20])
    assert both.ended_by == "epochs"  # of the one that ended first
    alone = curve(0.5)
    assert over_folds([alone]) is alone
    assert over_folds([curve(0.5), curve(0.5, ended_by="diverged")]).gave_up


@pytest.mark.parametrize("unit", ["steps", "examples", "seconds"])
def test_every_unit_tells_the_same_validation(unit: str) -> None:
    seen = curve(0.6, 0.79, 0.85)
    assert reached(seen, 0.8, 1, unit).time == getattr(seen, unit)[2]
