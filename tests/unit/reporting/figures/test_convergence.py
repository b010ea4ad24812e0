"""Mean curves and times to a level: what is drawn of runs that differ in length and cadence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from unit.reporting.figures.wide import folded, wide

from transfergrid.reporting.figures import convergence, style, time_to_level
from transfergrid.reporting.figures.convergence import mean_curve, panels_of, run_curve


def test_a_mean_goes_as_far_as_all_runs_and_carries_the_last_value_on() -> None:
    long = np.array([10.0, 20.0, 30.0, 40.0]), np.array([0.5, 0.6, 0.7, 0.8])
    short = np.array([15.0, 30.0]), np.array([0.4, 0.8])
    none = np.zeros(0), np.zeros(0)
    steps, mean, low, high = mean_curve([long, short, none], 0.05)
    np.testing.assert_array_equal(steps, [15, 20, 30])
    np.testing.assert_allclose(mean, [0.45, 0.5, 0.75])
    ends = stats.ttest_1samp([0.7, 0.8], 0).confidence_interval(0.95)
    assert (low[2], high[2]) == pytest.approx((ends.low, ends.high))
    assert np.isnan(mean_curve([long], 0.05)[2]).all()
    assert not len(mean_curve([none], 0.05)[0])


def test_panels_are_questions_and_places_and_arms_begin_with_the_baseline() -> None:
    data = wide(2, pretrainings=3)
    panels = panels_of(data)
    assert [panel.title for panel in panels] == ["net00", "net01"]
    assert all(list(panel.arms) == ["random", "imagenet", "films"] for panel in panels)
    assert set(convergence.marks_in(data, panels)) == set(data.marks)
    late = data.reached.assign(question="late", level=0.99)
    other = replace(data, reached=pd.concat([data.reached, late]))
    assert [panel.title for panel in panels_of(other)][::2] == ["speed: net00", "late: net00"]


def test_runs_that_two_baselines_are_asked_of_have_one_panel() -> None:
    data = wide(2, pretrainings=3)
    again = data.reached.assign(question="as_soon", baseline="imagenet")
    other = replace(data, reached=pd.concat([data.reached, again]))
    assert [panel.title for panel in panels_of(other)] == ["net00", "net01"]
    assert "of 12 runs, 6 of which never did" in time_to_level.caption(other)
    fewer = again[again["arm"] != "films"]
    other = replace(data, reached=pd.concat([data.reached, fewer]))
    assert [panel.title for panel in panels_of(other)][::2] == ["speed: net00", "as_soon: net00"]


def test_a_run_over_folds_is_one_curve() -> None:
    data = folded(wide(1))
    cell = data.reached["cell"].iloc[0]
    parts = data.parts(cell)
    first = data.histories[parts[0]]
    worse = [{**line, "valid_score": line["valid_score"] - 0.2} for line in first]
    apart = replace(data, histories={**data.histories, parts[0]: worse[:-1]})
    steps, values = run_curve(apart, cell)
    whole = run_curve(data, cell)
    assert len(parts) == 2 and len(steps) == len(whole[0]) - 1
    np.testing.assert_allclose(values, whole[1][:-1] - 0.1)


def test_captions_count_runs_and_say_what_is_no_test() -> None:
    data = wide(2, pretrainings=3)
    assert "Mean validation curves of 12 runs" in convergence.caption(data)
    assert "95 % intervals of the mean over seeds" in convergence.caption(data)
    assert "of 12 runs, 6 of which never did" in time_to_level.caption(data)


def test_a_line_of_shares_ends_at_the_horizon() -> None:
    data = wide(1)
    with style.styled():
        figure = time_to_level.draw(data)
    horizon = float(data.convergence["horizon"].iloc[0])
    lines = [line for line in figure.axes[0].lines if line.get_drawstyle() == "steps-post"]
    assert len(lines) == 2
    for line in lines:
        x, y = line.get_data()
        assert x[-1] == horizon and y[-1] == pytest.approx(0.5, abs=0.05)
        assert x[1] == data.reached["steps"].min()
