from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.reporting.built_in_words import WORDS

from transfergrid.reporting import words
from transfergrid.reporting.page.history import curve_of, sparkline

AUROC = WORDS["auroc"]
LOSS = WORDS["log_loss"]


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        (words.score_interval(0.8124, 0.7714, 0.8461), "0.812 (0.771–0.846)"),
        (words.score_interval(0.8124, math.nan, 0.8), "0.812"),
        (words.score_interval(math.nan, math.nan, math.nan), "–"),
        (words.score_interval(-0.1, -0.24, 0.04), "−0.100 (−0.240 to 0.040)"),
        (words.difference(0.034, -0.0021, 0.056), "+0.034 (−0.002 to +0.056)"),
        (words.difference(-0.0001, None, None), "0.000"),
        (words.signed(None), "–"),
        (words.p_value(0.0004), "p < 0.001"),
        (words.p_value(0.0341), "p = 0.034"),
        (words.p_value(math.nan), ""),
        (words.count(1234567.0), "1\u202f234\u202f567"),
        (words.count(None), "–"),
        (words.scaled(11_179_590), "11.2\u202fM"),
        (words.scaled(148e9), "148\u202fG"),
        (words.scaled(12.5), "12.5"),
        (words.seconds(45.2), "45 s"),
        (words.seconds(200), "3 min 20 s"),
        (words.seconds(7500), "2 h 05 min"),
        (words.number(3.25), "3.25"),
        (words.number(0.00412), "0.00412"),
        (words.number(-0.00002), "−2.0e−05"),
        (words.number(11_179_590), "11.2\u202fM"),
        (words.number(3_412.4), "3\u202f412"),
        (words.number(-999.9), "−1\u202f000"),
        (words.number(999.4), "999"),
        (words.number(math.inf), "∞"),
        (words.range_of(-math.inf, 0.5), "−∞ to 0.5"),
        (words.number("no relation"), "no relation"),
        (words.number(math.nan), "–"),
        (words.range_of(-0.4, 0.7), "−0.4 to 0.7"),
        (words.range_of(math.nan, 0.7), ""),
        (words.hours(40), "0.011 h"),
        (words.hours(5400), "1.5 h"),
        (words.hours(3600 * 1234), "1\u202f234 h"),
        (words.percent(0.125), "12.5 %"),
        (words.plural(1, "study", "studies"), "1 study"),
        (words.plural(2, "study", "studies"), "2 studies"),
        (words.listing(["a", "b", "c"]), "a, b and c"),
        (words.level(0.95), "95 %"),
    ],
)
def test_numbers_in_words(printed: str, expected: str) -> None:
    assert printed == expected


@given(st.floats(-1, 1))
def test_signed_numbers_read_back(value: float) -> None:
    text = words.signed(value)
    assert "-" not in text
    assert float(text.replace("−", "-")) == pytest.approx(value, abs=5.01e-4)


def test_learning_curves_leave_out_what_is_no_number() -> None:
    lines = [
        {"examples": 10, "valid_score": 0.5},
        {"examples": 20, "valid_score": None},
        {"examples": 30, "valid_score": math.nan},
        {"step": 3},
        {"examples": 40, "valid_score": 0.75},
    ]
    assert curve_of(lines) == [(10.0, 0.5), (40.0, 0.75)]


def test_sparkline_spans_its_box() -> None:
    svg = sparkline([(0, 0.5), (100, 1.0)], 0.5, 1.0, AUROC)
    assert 'points="40.0,96.0 308.0,10.0"' in svg
    assert "from 0.500 to 1.000 over 100 training examples" in svg
    assert sparkline([], 0, 1, AUROC) == ""
    assert "<polyline" in sparkline([(0, 0.5), (9, 0.5)], 0.5, 0.5, AUROC)
    alone = sparkline([(623, 0.471)], 0.4, 0.8, AUROC)
    assert alone == '<p class="quiet">One validation, after 623 training examples: 0.471.</p>'


def test_the_best_of_a_loss_is_the_lowest() -> None:
    svg = sparkline([(0, 0.9), (50, 0.4), (100, 0.6)], 0.4, 0.9, LOSS)
    assert "Validation log loss from 0.900 to 0.600" in svg
    assert "best 0.400" in svg
