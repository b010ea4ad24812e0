"""The critical-difference diagram: bars where methods are not set apart, for 2 to 25 of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from unit.reporting.figures.test_overprint import faults
from unit.reporting.figures.wide import LONG, mean_ranks_of, wide

from transfergrid.reporting.figures import critical_difference, style
from transfergrid.reporting.figures.data import FigureData


def data_of(means: list[float], critical: float, tail: str = "") -> FigureData:
    names = [f"method {place}{tail}" for place in range(len(means))]
    return replace(wide(1), mean_ranks=mean_ranks_of(names, "net00", means, critical))


def drawn(data: FigureData) -> Figure:
    with style.styled():
        return critical_difference.draw(data)


def bars(figure: Figure) -> list[tuple[float, float, float]]:
    """Place and ends of each bar, ends as rows."""
    lines = [line for line in figure.axes[0].lines if line.get_gid() == "bar"]
    return [(line.get_xdata()[0], *line.get_ydata()) for line in lines]


def test_where_all_differ_there_is_no_bar() -> None:
    data = data_of([1.0, 2.0, 3.0], 0.4)
    assert bars(drawn(data)) == []
    assert "No bar: all differ by Nemenyi's test at the level 0.05" in critical_difference.caption(
        data
    )


def test_bars_that_overlap_stand_side_by_side() -> None:
    figure = drawn(data_of([1.0, 1.5, 2.4, 3.0, 4.8, 4.9], 1.0))
    found = bars(figure)
    assert [(first + 0.25, last - 0.25) for _, first, last in found] == [
        (0, 1),
        (1, 2),
        (2, 3),
        (4, 5),
    ]
    places = [at for at, _, _ in found]
    assert places[0] == places[2] == places[3] != places[1]
    dots = [line.get_xydata()[0] for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert [x for x, _ in dots] == [1.0, 1.5, 2.4, 3.0, 4.8, 4.9]
    assert max(x for x, _ in dots) < min(places)


def test_the_table_may_be_in_any_order_and_a_wide_difference_is_told() -> None:
    data = data_of([3.0, 1.0, 2.0], 9.0)
    figure = drawn(data)
    assert [(first + 0.25, last - 0.25) for _, first, last in bars(figure)] == [(0, 2)]
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert [name.split("  ")[0] for name in names] == ["method 1", "method 2", "method 0"]
    assert any("wider than the axis" in text.get_text() for text in figure.axes[0].texts)


@pytest.mark.parametrize("count", [2, 3, 12, 25])
def test_labels_stay_apart_for_any_number_of_methods(count: int) -> None:
    means = np.sort(np.random.default_rng(count).uniform(1, count, count)).tolist()
    for critical in (0.3, count / 3, 2.0 * count):
        assert faults(drawn(data_of(means, critical, LONG))) == []


def test_nothing_is_drawn_of_no_such_question() -> None:
    assert "ranks methods" in critical_difference.lack(replace(wide(1), mean_ranks=pd.DataFrame()))
