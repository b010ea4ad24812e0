from __future__ import annotations

import pytest

from transfergrid.commands.text import aligned, cells, hours


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (2.04, 2.0, "about 2 hours"),
        (12, 47.3, "12 to 47 hours"),
        (0.01, 0.05, "0.6 to 3 minutes"),
        (1.0, 1.4, "60 to 84 minutes"),
        (0, 0, "about 0 minutes"),
        (1234, 5678, "1200 to 5700 hours"),
    ],
)
def test_times(low: float, high: float, text: str) -> None:
    assert hours(low, high) == text


def test_one_cell_is_no_plural() -> None:
    assert (cells(1), cells(0), cells(12)) == ("1 cell", "0 cells", "12 cells")


def test_columns_line_up_and_nothing_is_padded_at_the_end() -> None:
    assert aligned([["a", "1"], ["long", "2"]], "") == ["a     1", "long  2"]
    assert aligned([], "") == []
