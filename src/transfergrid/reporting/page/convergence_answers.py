"""How soon trainings reach a level, in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from transfergrid.catalog.axes import PLACE
from transfergrid.reporting.page.answer import Answer, Manner, Told, bounds_of, is_clear
from transfergrid.reporting.page.findings import ShownFinding
from transfergrid.reporting.place_labels import arm, label, opening, varying
from transfergrid.reporting.words import (
    count,
    known,
    level,
    number,
    p_value,
    percent,
    plural,
    range_of,
    score,
)
from transfergrid.statistics.named import CANNOT, LATER, SOONER, UNDECIDED

Row = Mapping[Any, Any]
SAME = ["axis", "arm", "baseline", *PLACE]
"""Columns in which the rows of one arm and different units agree."""
DECIDED = (SOONER, LATER)


def text(question: Mapping[str, Any], manner: Manner) -> str:
    """Put a question into words, except for what limits it."""
    metric, base = manner.asked(question), arm(question["axis"], question["baseline"])
    aim = (
        f"{question['level']:g}"
        if question["level"] is not None
        else f"{percent(question['share'], 0)} of the best final value"
    )
    return f"How soon does validation {metric} reach {aim}, compared with {base}"


def method(rows: pd.DataFrame) -> list[str]:
    """Return what the methods say of such questions."""
    return [
        "How soon a training converges is the first validation at which the metric reaches a "
        "level, without interpolation. A level is fixed before any result; one that is a share of "
        "the best arm's final value is fixed as a rule alone, because the number comes from the "
        "same runs, and intervals take it as given. Runs that never reach it are censored: "
        "medians and restricted means are Kaplan and Meier's up to a common horizon, and means of "
        "min(T, horizon) are compared by Welch's t over the runs. Where only the later arm has "
        "such runs, the arms are at least that far apart. A permutation test stands beside "
        "it, with the smallest p-value that the seeds allow. The validation patients are taken as "
        "given."
    ]


def told(
    question: Mapping[str, Any],
    rows: pd.DataFrame,
    manner: Manner,
    *,
    budgets: pd.DataFrame,
    reached: pd.DataFrame,
) -> Told:
    """Put its rows of convergence.csv and budgets.csv into words."""
    axes = varying(rows)
    steps = rows[rows["unit"] == "steps"]
    compared = steps[steps["verdict"].notna() & (steps["verdict"] != "")]
    first = compared.assign(open=~compared["verdict"].isin(DECIDED)).sort_values(
        "open", kind="stable"
    )
    share = question["share"]
    aim = "" if share is None else f" ({percent(share, 0)} of the best final value)"
    answers = tuple(
        _answer(row, label(row, axes), rows, manner, aim) for row in first.to_dict("records")
    )
    shown = [_time(row, axes) for row in steps.to_dict("records")]
    shown += [_budget(row, axes, manner) for row in budgets.to_dict("records")]
    return Told(answers, tuple(shown), _never(reached))


def _never(reached: pd.DataFrame) -> str:
    """Say so where no run at all reached the level."""
    if reached.empty or reached["reached"].astype(bool).any():
        return ""
    return (
        f"None of {plural(len(reached), 'run')} reached the level, so that nothing is known of how "
        "soon any would; what they reached within budgets stands above."
    )


def _answer(row: Row, where: str, rows: pd.DataFrame, manner: Manner, found: str) -> Answer:
    metric, base = manner.metrics[row["metric"]], _baseline(row, rows)
    aim = f"validation {metric.inline} {float(row['level']):.3g}{metric.direction}{found}"
    lead, told, rest = _sentence(row, base, aim)
    bounds = bounds_of(row["low"], row["difference"], row["high"])
    judged = (
        f", with {level(manner.confidence)} interval over seeds, not adjusted; p adjusted by "
        "Holm's method within the question"
        if bounds
        else ""
    )
    parts = [
        f"{_share(row)} and {_share(base)} runs by step {count(row['horizon'])}",
        _test(row),
        _permutation(row),
        _ratio(row, base),
        *_other_units(row, rows),
        f"difference in mean steps, none counted beyond {count(row['horizon'])}{judged}",
        str(row["note"]) if known(row["note"]) and row["note"] not in (told, rest[2:]) else "",
        f"method: {row['method']}" if known(row["method"]) else "",
    ]
    return Answer(
        subject=where,
        lead=lead,
        number=told,
        rest=rest,
        support=tuple(part for part in parts if part),
        bounds=bounds,
        clear=is_clear(bounds),
        verdict=str(row["verdict"]),
    )


def _sentence(row: Row, base: Row, aim: str) -> tuple[str, str, str]:
    """Return a comparison's sentence: before its number, the number, after it."""
    a, b = (arm(row["axis"], row[name]) for name in ("arm", "baseline"))
    reach = "reach" if row["axis"] == "pretraining" else "reaches"
    undecidable = f"Whether {a} {reach} {aim} sooner than {b} cannot be decided:"
    if not known(row["difference"]):
        return undecidable, str(row["note"]), ""
    apart, end = float(row["difference"]), count(row["horizon"])
    lost = not (_all_there(row) and _all_there(base))
    cut = f"; runs that were not there by step {end} count as {end}" if lost else ""
    if row["verdict"] in DECIDED:
        ends = _ends(row, -1 if apart < 0 else 1).replace("+", "")
        steps = f"{count(abs(apart))} {_steps(apart)}{ends}"
        least = "at least " if _further(row, base) else ""
        return f"{opening(a)} {reach} {aim} {row['verdict']} than {b}, by", f"{least}{steps}", cut
    told = f"{_signed(apart)} {_steps(apart)}{_ends(row)}"
    if row["verdict"] == UNDECIDED:
        return f"No difference in when {a} and {b} reach {aim} could be shown:", told, cut
    why = f"; {row['note']}" if known(row["note"]) else ""
    return undecidable, told, why


def _all_there(row: Row) -> bool:
    return int(row["n_reached"]) == int(row["n_runs"])


def _further(row: Row, base: Row) -> bool:
    """Tell whether arms that differ are further apart than means of restricted times say.

    They are where runs of the later arm alone never came, and count as if they had at the horizon.
    """
    if row["verdict"] not in DECIDED:
        return False
    soon, late = (row, base) if row["verdict"] == SOONER else (base, row)
    return _all_there(soon) and not _all_there(late)


def _ends(row: Row, sign: int = 1) -> str:
    if not (known(row["low"]) and known(row["high"])):
        return ""
    low, high = sorted((sign * float(row["low"]), sign * float(row["high"])))
    return f" ({_signed(low)} to {_signed(high)})"


def _signed(value: float) -> str:
    told = count(abs(value))
    return told if told == "0" else f"{'−' if value < 0 else '+'}{told}"


def _steps(value: float) -> str:
    return "step" if count(abs(value)) == "1" else "steps"


def _share(row: Row) -> str:
    return f"{count(row['n_reached'])} of {count(row['n_runs'])}"


def _baseline(row: Row, rows: pd.DataFrame) -> Row:
    """Return the baseline's own row of the same place and unit."""
    same = rows[(rows["arm"].astype(str) == str(row["baseline"])) & (rows["unit"] == row["unit"])]
    for axis in PLACE:
        if known(row[axis]):
            same = same[same[axis].astype(str) == str(row[axis])]
    found: Row = same.iloc[0].to_dict()
    return found


def _test(row: Row) -> str:
    if not known(row["p"]):
        return ""
    return f"Welch's test: {p_value(row['p'])}, adjusted {p_value(row['p_adjusted'])}"


def _permutation(row: Row) -> str:
    if not known(row["p_permutation"]):
        return ""
    least = f"these runs allow no p below {float(row['p_permutation_least']):.3f}"
    told = f"permutation test: {p_value(row['p_permutation'])}, {row['permutation']}"
    return f"{told}, as {least}" if row["permutation"] == CANNOT else told


def _ratio(row: Row, base: Row) -> str:
    if not known(row["ratio"]):
        return ""
    ends = range_of(row["ratio_low"], row["ratio_high"])
    most = "at most " if row["verdict"] == SOONER else "at least "
    bound = most if _further(row, base) else ""
    return f"{bound}{number(row['ratio'])} times the baseline's steps{f' ({ends})' if ends else ''}"


def _other_units(row: Row, rows: pd.DataFrame) -> Iterator[str]:
    """Tell the same difference in examples and seconds."""
    same = rows
    for name in SAME:
        if known(row[name]):
            same = same[same[name].astype(str) == str(row[name])]
    for unit, word in (("examples", "training images"), ("seconds", "seconds of the device")):
        for other in same[(same["unit"] == unit) & same["difference"].notna()].to_dict("records"):
            own = unit == "seconds" and known(other["note"]) and other["note"] != row["note"]
            note = f" ({other['note']})" if own else ""
            yield f"{_signed(float(other['difference']))} {word}{_ends(other)}{note}"


def _time(row: Row, axes: list[str]) -> ShownFinding:
    median = f"median {count(row['median'])}" if known(row["median"]) else "fewer than half did"
    return ShownFinding(
        subject=_subject(row, axes),
        quantity=f"mean steps to the level, none counted beyond {count(row['horizon'])}",
        value=count(row["restricted_mean"]),
        interval=_between(row["restricted_mean_low"], row["restricted_mean_high"]),
        n=plural(int(row["n_runs"]), "run"),
        note=f"{_share(row)} reached it; {median}",
    )


def _between(low: Any, high: Any) -> str:
    return f"{count(low)} to {count(high)}" if known(low) and known(high) else ""


def _budget(row: Row, axes: list[str], manner: Manner) -> ShownFinding:
    metric = manner.metrics[row["metric"]]
    notes = []
    if known(row["difference"]):
        ends = _scores(row["low"], row["high"])
        apart = f"{score(row['difference'])}{f' ({ends})' if ends else ''} against the baseline"
        adjusted = p_value(row["p_adjusted"])
        notes += [apart, f"adjusted {adjusted}" if adjusted else "", str(row["verdict"])]
    if row["n_ended"]:
        notes.append(f"{count(row['n_ended'])} had ended before")
    return ShownFinding(
        subject=_subject(row, axes),
        quantity=f"best validation {metric.inline} within {count(row['budget'])} steps",
        value=score(row["value"]),
        interval=_scores(row["value_low"], row["value_high"]),
        n=plural(int(row["n_runs"]), "run"),
        note=", ".join(filter(None, notes)),
    )


def _scores(low: Any, high: Any) -> str:
    return f"{score(low)} to {score(high)}" if known(low) and known(high) else ""


def _subject(row: Row, axes: list[str]) -> str:
    return ", ".join(filter(None, (label(row, axes), arm(row["axis"], row["arm"]))))
