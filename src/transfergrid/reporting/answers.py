"""The study's questions and what was found, as sentences."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from transfergrid.reporting.contrast_labels import shorten
from transfergrid.reporting.findings import Finding, findings
from transfergrid.reporting.words import (
    count,
    difference,
    known,
    level,
    p_value,
    percent,
    plural,
)

P_VALUES = {"p_difference": "test of a difference", "p_equivalence": "test of equivalence"}
"""The tests of contrasts.csv."""

QUANTITIES = {
    "imagenet_top1": "ImageNet top-1 accuracy",
    "params": "number of parameters",
    "macs": "number of multiply-accumulates",
    "auroc": "AUROC",
    "boost": "boost",
}


FINDINGS = {
    "family": "How much of the spread between networks do their family and their size explain",
    "efficiency": "How far can networks be cut and lose less than the margin",
    "seed_noise": "How far do seeds spread, against networks",
}
"""Kinds of question that findings.csv answers."""


@dataclass(frozen=True)
class Bar:
    """An interval on the axis of its question, in per cent from the left; zero is at 50.

    Attributes:
        low: Left end.
        middle: Estimate.
        high: Right end.
        cut: Whether an end lies beyond the axis.
    """

    low: float
    middle: float
    high: float
    cut: bool


@dataclass(frozen=True)
class Answer:
    """One row of contrasts.csv or correlations.csv in words.

    Attributes:
        subject: What was compared, such as the contrast's name.
        finding: The verdict as a sentence without its number.
        number: Estimate with interval.
        support: p-values, n, seeds, method and conditions, in pieces.
        bounds: Low, estimate and high, or None without an interval.
        clear: Whether the interval excludes zero.
        verdict: The table's verdict, or empty.
        bar: The same as a picture, once the question's other rows are known.
    """

    subject: str
    finding: str
    number: str
    support: tuple[str, ...]
    bounds: tuple[float, float, float] | None
    clear: bool
    verdict: str = ""
    bar: Bar | None = None


@dataclass(frozen=True)
class Question:
    """One question with its answers.

    Attributes:
        name: Name in the study.
        text: The question as a sentence.
        answers: Rows, those over most networks first, and among them the decided ones.
        common: The pieces of support that all rows share.
        findings: Quantities, where it asks for such.
    """

    name: str
    text: str
    answers: tuple[Answer, ...]
    common: tuple[str, ...]
    findings: tuple[Finding, ...] = ()


def questions(
    declared: Sequence[Mapping[str, Any]],
    contrasts: pd.DataFrame,
    correlations: pd.DataFrame,
    confidence: float,
    quantities: pd.DataFrame,
) -> list[Question]:
    """Return every question of the study in its order, answered or not.

    Args:
        declared: The study's questions.
        contrasts: contrasts.csv.
        correlations: correlations.csv.
        confidence: Coverage of the intervals, in (0, 1).
        quantities: findings.csv.
    """
    texts = {str(entry["name"]): question_text(entry) for entry in declared}
    found: dict[str, list[Answer]] = {name: [] for name in texts}
    # The page folds all but the first rows: what is decided must not be among those.
    undecided = contrasts["verdict"].fillna("undecided") == "undecided"
    ordered = contrasts.assign(undecided=undecided).sort_values(
        ["n_cells", "undecided"], ascending=[False, True], kind="stable"
    )
    for name, part in ordered.groupby("question", sort=False):
        _, labels = shorten([str(contrast) for contrast in part["contrast"]])
        found.setdefault(str(name), []).extend(
            contrast_answer(row, label, confidence)
            for row, label in zip(part.to_dict("records"), labels, strict=True)
        )
    for name, part in correlations.groupby("question", sort=False):
        _, labels = shorten([_place(y) for y in part["y"]])
        found.setdefault(str(name), []).extend(
            correlation_answer(row, label, confidence)
            for row, label in zip(part.to_dict("records"), labels, strict=True)
        )
    told = findings(quantities)
    for name in told:
        found.setdefault(name, [])
    return [
        _question(name, texts.get(name, name), answers, tuple(told.get(name, ())))
        for name, answers in found.items()
    ]


def _question(name: str, text: str, answers: list[Answer], told: tuple[Finding, ...]) -> Question:
    first = answers[0].support if len(answers) > 1 else ()
    common = tuple(part for part in first if all(part in answer.support for answer in answers))
    scale = _scale(answers)
    rows = tuple(
        replace(
            answer,
            support=tuple(part for part in answer.support if part not in common),
            bar=_bar(answer.bounds, scale) if answer.bounds else None,
        )
        for answer in answers
    )
    return Question(name, text, rows, common, told)


def _bar(bounds: tuple[float, float, float], scale: float) -> Bar:
    places = [50 + 50 * value / scale for value in bounds]
    low, middle, high = (min(max(place, 0.0), 100.0) for place in places)
    return Bar(low, middle, high, cut=places[0] < 0 or places[2] > 100)


def _scale(answers: Sequence[Answer]) -> float:
    """Return the half-width of the common axis of all bars.

    One interval of two wild seeds must not press all others into a dot, so the axis ends at three
    times the median reach; all estimates are on it.
    """
    bounds = [answer.bounds for answer in answers if answer.bounds]
    if not bounds:
        return 1.0
    reach = [max(abs(low), abs(high)) for low, _, high in bounds]
    estimates = max(abs(estimate) for _, estimate, _ in bounds)
    return 1.04 * (max(min(max(reach), 3 * statistics.median(reach)), estimates) or 1.0)


def question_text(entry: Mapping[str, Any]) -> str:
    """Put a question of the study into words."""
    if entry.get("text"):
        return str(entry["text"])
    where = ", ".join(_only(axis, value) for axis, value in (entry.get("where") or {}).items())
    tail = f" ({where})?" if where else "?"
    if entry["kind"] in FINDINGS:
        return f"{FINDINGS[entry['kind']]}{tail}"
    if entry["kind"] == "contrast":
        baseline = entry["baseline"]
        if entry["axis"] == "truncation":
            whole = "the whole network" if baseline == 0 else f"{baseline} blocks removed"
            return f"What does truncation change, compared with {whole}{tail}"
        return f"What does {entry['axis']} change, compared with {baseline}{tail}"
    return f"Does the {quantity(entry['x'])} go with the {quantity(entry['y'])}{tail}"


def _only(axis: str, value: Any) -> str:
    return "whole networks" if (axis, value) == ("truncation", 0) else f"{axis} {value} only"


def quantity(name: Any) -> str:
    """Return the words for a column that correlations are about."""
    return QUANTITIES.get(str(name), str(name))


def contrast_answer(row: Mapping[Any, Any], label: str, confidence: float) -> Answer:
    """Put a row of contrasts.csv into words."""
    a, b, verdict = row["a"], row["b"], row["verdict"]
    margin = f"±{float(row['margin']):g}" if known(row["margin"]) else ""
    neither = f"neither a difference nor equivalence within {margin}" if margin else "no difference"
    findings = {
        "higher": f"{a} scores above {b}",
        "lower": f"{a} scores below {b}",
        "equivalent": f"{a} and {b} are equivalent within {margin}",
        "different within margin": (
            f"{a} and {b} are different, but by less than the margin ({margin})"
        ),
        "undecided": f"{neither} between {a} and {b} could be shown",
    }
    metric = "macro AUROC" if row["metric"] == "auroc" else row["metric"]
    size = (
        plural(row["n_cells"], "pair of networks", "pairs of networks"),
        plural(row["n_seeds"], "seed"),
        f"{plural(row['n_studies'], 'study', 'studies')} of "
        f"{plural(row['n_patients'], 'patient')} in {row['dataset']}'s test split",
    )
    parts = [
        *_p_values(row),
        *_power(row),
        *size,
        _conditions(row["conditional_on"]),
        f"difference in {metric} with {level(confidence)} interval, not adjusted for the number of "
        "contrasts; p adjusted by Holm's method within the question",
        f"method: {row['method']}" if known(row["method"]) else "",
    ]
    bounds = _bounds(row["low"], row["estimate"], row["high"])
    return Answer(
        subject=label,
        finding=findings.get(str(verdict), f"{a} against {b}: {verdict}"),
        number=difference(row["estimate"], row["low"], row["high"]),
        support=tuple(part for part in parts if part),
        bounds=bounds,
        clear=_clear(bounds),
        verdict=str(verdict) if known(verdict) else "",
    )


def _p_values(row: Mapping[Any, Any]) -> list[str]:
    """Name both p-values, the one that the verdict rests on first."""
    names = sorted(P_VALUES, key=lambda name: name != row["verdict_rests_on"])
    found = []
    for name in names:
        if known(row[name]):
            parts = [p_value(row[name])]
            if known(row[f"{name}_adjusted"]):
                parts.append(f"adjusted {p_value(row[f'{name}_adjusted'])}")
            found.append(f"{P_VALUES[name]}: {', '.join(parts)}")
    return found


def _power(row: Mapping[Any, Any]) -> list[str]:
    """Say what a contrast's test could find, where the table knows."""
    power = row.get("power")
    if not known(power):
        return []
    seeds: Any = row.get("seeds_needed")
    found = [f"power {percent(power, 0)}"]
    if known(seeds):
        needs = "no number of seeds gives 80 % power on so few patients"
        if math.isfinite(seeds):
            needs = f"80 % power needs {plural(round(seeds), 'seed')}"
        found.append(needs)
    return found


def _bounds(low: Any, middle: Any, high: Any) -> tuple[float, float, float] | None:
    if not (known(low) and known(middle) and known(high)):
        return None
    return float(low), float(middle), float(high)


def _clear(bounds: tuple[float, float, float] | None) -> bool:
    return bounds is not None and (bounds[0] > 0 or bounds[2] < 0)


def _conditions(text: Any) -> str:
    """Say what an interval takes as given, whether or not the table says "conditional on"."""
    if not known(text):
        return ""
    parts = [part.strip().removeprefix("conditional on ") for part in str(text).split(";")]
    return f"taken as given: {', '.join(parts)}"


def _place(y: Any) -> str:
    """Return where a correlation was computed: ``auroc (random drop0)`` gives ``random drop0``."""
    return str(y).partition(" (")[2].rstrip(")")


def correlation_answer(row: Mapping[Any, Any], label: str, confidence: float) -> Answer:
    """Put a row of correlations.csv into words."""
    x = quantity(row["x"])
    y = quantity(str(row["y"]).partition(" (")[0])
    rho, low, high = row["rho"], row["low"], row["high"]
    bounds = _bounds(low, rho, high)
    clear = _clear(bounds)
    parts = [
        p_value(row["p"]),
        *_correlation_support(row),
        _too_few(row),
        _networks(row),
        f"Spearman's ρ with {level(confidence)} interval"
        if bounds
        else "Spearman's ρ, no interval",
        f"method: {row['method']}" if known(row["method"]) else "",
    ]
    return Answer(
        subject=label or f"{x} and {y}",
        finding=_relation(row, x, y, clear),
        number=f"ρ {difference(rho, low, high, 2)}",
        support=tuple(part for part in parts if part),
        bounds=bounds,
        clear=clear,
        verdict=str(row["verdict"]) if known(row.get("verdict")) else "",
    )


def _relation(row: Mapping[Any, Any], x: str, y: str, clear: bool) -> str:
    """Put a correlation into words: by its verdict where the table has one."""
    rho, verdict = row["rho"], row.get("verdict")
    if not known(rho):
        return "no rank correlation can be computed"
    if verdict == "none":
        return f"{x} and {y} are unrelated within ±{float(row['margin']):g}"
    if verdict in ("positive", "negative") or (clear and not known(verdict)):
        return f"{y} {'rises' if rho > 0 else 'falls'} with the {x}"
    if known(row.get("margin")):
        return (
            f"neither a relation between {x} and {y} nor its absence within "
            f"±{float(row['margin']):g} could be shown"
        )
    return f"no monotone relation between {x} and {y} could be shown"


def _networks(row: Mapping[Any, Any]) -> str:
    """Say how many networks there are, and how many independent ones they amount to."""
    text = f"n = {count(row['n'])} networks"
    families: Any = row.get("n_families")
    if not known(families):
        return text
    text += f" in {count(families)} {'family' if families == 1 else 'families'}"
    effective: Any = row.get("n_effective")
    if known(effective) and float(effective) < float(row["n"]) - 0.5:
        text += f", as uncertain as {float(effective):.0f} independent ones"
    return text


def _too_few(row: Mapping[Any, Any]) -> str:
    """Say where no result at all could show that there is no relation."""
    needed: Any = row.get("n_needed")
    if not known(needed) or float(row["n"]) >= float(needed):
        return ""
    return f"so few networks cannot show that there is none: that takes {count(needed)}"


def _correlation_support(row: Mapping[Any, Any]) -> list[str]:
    """Return what later columns of correlations.csv add, where they are there."""
    found = []
    if known(row.get("p_adjusted")):
        found.append(f"adjusted {p_value(row['p_adjusted'])}")
    if known(row.get("rho_disattenuated")):
        ends = (row["disattenuated_low"], row["disattenuated_high"])
        found.append(
            "freed of the noise of patients and seeds ρ "
            f"{difference(row['rho_disattenuated'], *ends, 2)}"
        )
    if known(row.get("p_family")):
        found.append(f"within families {p_value(row['p_family'])}")
    if known(row.get("rho_critical")):
        found.append(f"significant from |ρ| = {float(row['rho_critical']):.2f}")
    if known(row.get("rho_detectable")):
        found.append(f"80 % power from |ρ| = {float(row['rho_detectable']):.2f}")
    return found
