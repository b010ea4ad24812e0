"""How many patients training needs, in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from transfergrid.reporting.page.answer import Answer, Manner, Told, bounds_of, is_clear
from transfergrid.reporting.place_labels import arm, opening
from transfergrid.reporting.words import (
    difference,
    known,
    level,
    number,
    plural,
    size,
    taken_as_given,
)
from transfergrid.statistics.named import ALREADY, BOOST, BOOST_CHANGE, DATA_RATIO, NEVER
from transfergrid.statistics.places import ORDER, place_words

Row = Mapping[Any, Any]
ALONE = "; for all sizes at once this was not shown"
"""What follows a statement that holds for one number of patients alone."""
ARMS = {
    "pretraining": "initial weights",
    "architecture": "networks",
    "truncation": "truncations",
}


def text(question: Mapping[str, Any], manner: Manner) -> str:
    """Put a question into words, except for what limits it."""
    axis = question["axis"]
    be = "are" if axis == "pretraining" else "is"
    return (
        f"With few patients to train on, what do other {ARMS[axis]} change, and with how many "
        f"times the data {be} {arm(axis, question['baseline'])} as good"
    )


def method(rows: pd.DataFrame) -> list[str]:
    """Return what the methods say of such questions."""
    return [
        "Training patients are drawn by the seed, the same ones for every arm, with all of their "
        "images; each number contains the smaller ones. What is compared is the difference within "
        "a seed. Its variance adds what the choice of test patients does, by influence values, "
        "and what the seed and its draw do beyond that; its t is Cochran's. With how many times "
        "the data a baseline is as good is read off its curve after isotonic regression, by "
        "straight lines on the logarithm of patients and never beyond the numbers that were "
        "trained; the interval holds every number at which the difference could be 0. An interval "
        "is about one number of patients, which has to be chosen before looking; bands hold for "
        "all numbers of a curve at once, by Sidak's level. What an interval shows and a band does "
        "not is told of that number alone."
    ]


def told(question: Mapping[str, Any], rows: pd.DataFrame, manner: Manner) -> Told:
    """Put its rows of small_data.csv into words: what an arm adds, then the ratios."""
    axes = [axis for axis in ORDER if axis in rows and rows[axis].nunique(dropna=False) > 1]
    axes = [axis for axis in axes if axis != "protocol"]
    words = {BOOST: _boost, BOOST_CHANGE: _change, DATA_RATIO: _ratio}
    return Told(
        tuple(
            _answer(row, axes, manner, *words[quantity](row, manner))
            for quantity in (DATA_RATIO, BOOST_CHANGE, BOOST)
            for row in rows[rows["quantity"] == quantity].to_dict("records")
        )
    )


def _answer(row: Row, axes: list[str], manner: Manner, lead: str, number: str, rest: str) -> Answer:
    metric = manner.metrics[row["metric"]]
    boost = row["quantity"] in (BOOST, BOOST_CHANGE)
    change = row["quantity"] == BOOST_CHANGE  # one number, of two sizes
    bounds = bounds_of(row["low"], row["value"], row["high"]) if boost else None
    band = (row["value"], row["band_low"], row["band_high"])
    shown = difference(*band) if boost else _times(*band)
    what = metric.mean if boost else "times the patients"
    about = "" if change else ", for this number of patients alone"
    parts = [
        f"for all sizes at once: {shown}" if known(row["band_low"]) and not change else "",
        plural(row["n_sizes"], "size"),
        plural(row["n_seeds"], "seed"),
        f"{plural(row['n_patients'], 'patient')} in {manner.tested_on(row['dataset'])}",
        taken_as_given(row["conditional_on"]),
        f"{level(manner.confidence)} interval in {what}{about}; no test is made",
        f"method: {row['method']}",
    ]
    return Answer(
        subject=", ".join(place_words(axis, row[axis]) for axis in axes if known(row[axis])),
        lead=lead,
        number=number,
        rest=rest,
        support=tuple(part for part in parts if part),
        bounds=bounds,
        clear=is_clear(bounds),
        verdict=str(row["verdict"]) if known(row["verdict"]) else "",
    )


def _boost(row: Row, manner: Manner) -> tuple[str, str, str]:
    """Return a difference as a sentence: before its number, the number, after it."""
    a, b = (arm(row["axis"], row[name]) for name in ("arm", "baseline"))
    metric = manner.metrics[row["metric"]]
    start = f"With {plural(row['patients'], 'patient')}"
    if not is_clear(bounds_of(row["low"], row["value"], row["high"])):
        signed = difference(row["value"], row["low"], row["high"])
        return f"{start}, no difference between {a} and {b} could be shown:", signed, ""
    many = "" if row["axis"] == "pretraining" else "s"
    verb = f"raise{many}" if row["value"] > 0 else f"lower{many}"
    band = bounds_of(row["band_low"], row["value"], row["band_high"])
    alone = ALONE if band and not is_clear(band) else ""
    lead = f"{start}, {a} {verb} {metric.inline}{metric.direction} by"
    return lead, size(row["value"], row["low"], row["high"]), f" against {b}{alone}"


def _change(row: Row, manner: Manner) -> tuple[str, str, str]:
    """Return how much more an arm adds with few patients, as a sentence."""
    a, b = (arm(row["axis"], row[name]) for name in ("arm", "baseline"))
    metric = manner.metrics[row["metric"]]
    signed = difference(row["value"], row["low"], row["high"])
    start = f"With {plural(row['patients'], 'patient')} instead of the most of this study"
    if not is_clear(bounds_of(row["low"], row["value"], row["high"])):
        return (
            f"{start}, no change of the difference between {a} and {b} could be shown:",
            signed,
            "",
        )
    return f"{start}, the difference in {metric.inline} between {a} and {b} changes by", signed, ""


def _ratio(row: Row, manner: Manner) -> tuple[str, str, str]:
    """Return with how many times the data the baseline is as good, as a sentence."""
    a, b = (arm(row["axis"], row[name]) for name in ("arm", "baseline"))
    be = "are" if row["axis"] == "pretraining" else "is"
    like = f"{a} with {plural(row['patients'], 'patient')}"
    times = _times(row["value"], row["low"], row["high"])
    alone = ALONE if row["verdict"] != row["band_verdict"] else ""
    if row["verdict"] == NEVER:
        lead = f"{opening(b)} {be} never as good as {like} within the sizes of this study:"
        return lead, times, f" the patients would be needed{alone}"
    if row["verdict"] == ALREADY:
        lead = f"{opening(b)} {be} as good as {like} at the smallest size already, with"
        return lead, times, f" the patients{alone}"
    if not 0 < row["value"] < math.inf:
        be = "were" if row["axis"] == "pretraining" else "was"
        where = "worse at every size" if math.isinf(row["value"]) else "better at the smallest size"
        open_end = "; seeds and patients leave open with how many times the data they are equal"
        return f"In the mean over seeds {b} {be} {where} than {like}:", times, open_end
    return f"{opening(b)} {be} as good as {like} when trained on", times, " the patients"


def _times(value: Any, low: Any, high: Any) -> str:
    """Print ``2.3 times (1.4 to 4.1)``; an end beyond the sizes as ``at least`` or ``at most``."""
    inside = 0 < value < math.inf
    start = f"{number(value)} times" if inside else ""
    if not known(low):
        return start or "no interval"
    if low > 0 and math.isfinite(high):
        ends = f"{number(low)} to {number(high)}"
    elif low > 0:
        ends = f"at least {number(low)}"
    elif math.isfinite(high):
        ends = f"at most {number(high)}"
    else:
        ends = "anywhere within or beyond them" if not inside else "open on both sides"
    if inside:
        return f"{start} ({ends})"
    return ends if "anywhere" in ends else f"{ends} times"
