"""A row of correlations.csv in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from transfergrid.reporting.figures.summaries import FEWEST
from transfergrid.reporting.page.answer import Answer, Manner, Told, bounds_of, is_clear
from transfergrid.reporting.place_labels import label, varying
from transfergrid.reporting.words import (
    count,
    difference,
    known,
    level,
    listing,
    p_value,
    plural,
)

QUANTITIES = {
    "imagenet_top1": "ImageNet top-1 accuracy",
    "params": "number of parameters",
    "macs": "number of multiply-accumulates",
    "boost": "boost",
}
Row = Mapping[Any, Any]


def quantity(name: Any, manner: Manner, asked: Mapping[Any, Any]) -> str:
    """Return the words for what correlations are about; `asked` has the metric."""
    return manner.asked(asked) if name == "score" else QUANTITIES.get(str(name), str(name))


def text(question: Mapping[str, Any], manner: Manner) -> str:
    """Put a question into words, except for what limits it."""
    x, y = (quantity(question[name], manner, question) for name in ("x", "y"))
    return f"Does the {x} go with the {y}"


def method(rows: pd.DataFrame) -> list[str]:
    """Return what the methods say of such questions."""
    known = "se_patients" in rows and rows["se_patients"].notna().any()
    return [
        "Correlations are Spearman's, over networks. Networks are a sample of families: the test "
        "permutes whole families and members within them, and the interval is that of the "
        "effective number of networks or of a jackknife over families, the larger; what the "
        f"choice of patients does is {'in' if known else 'not in'} the interval. Beside it stands "
        "the correlation freed of the noise of patients and seeds."
    ]


def told(question: Mapping[str, Any], rows: pd.DataFrame, manner: Manner) -> Told:
    """Put its rows of correlations.csv into words, except those with too few networks."""
    axes = varying(rows)
    few = (rows["n"] < FEWEST) | rows["rho"].isna()
    answers = tuple(
        correlation_answer(row, label(row, axes), manner) for row in rows[~few].to_dict("records")
    )
    return Told(answers, left=_left(rows[few], axes))


def _left(rows: pd.DataFrame, axes: list[str]) -> str:
    """Say which networks are too few, or too equal, for a rank correlation."""
    if rows.empty:
        return ""
    told = [
        f"{label(row, axes) or 'all'} ({plural(row['n'], 'network')})"
        for row in rows.to_dict("records")
    ]
    return f"No rank correlation of fewer than {FEWEST} different networks: {listing(told)}."


def correlation_answer(row: Row, label: str, manner: Manner) -> Answer:
    """Put a row of correlations.csv into words.

    Args:
        row: The row.
        label: Where in the grid it stands.
        manner: How numbers are worded.
    """
    x, y = quantity(row["x"], manner, row), quantity(row["y"], manner, row)
    rho, low, high = row["rho"], row["low"], row["high"]
    bounds = bounds_of(low, rho, high)
    clear = is_clear(bounds)
    verdict = str(row["verdict"]) if known(row.get("verdict")) else ""
    found = f"Spearman's ρ with {level(manner.confidence)} interval"
    parts = [
        p_value(row["p"]),
        *_support(row),
        _too_few(row),
        _networks(row),
        found if bounds else "Spearman's ρ, no interval",
        f"method: {row['method']}" if known(row["method"]) else "",
    ]
    return Answer(
        subject=label,
        lead=f"{_relation(row, x, y, clear)}:",
        number=f"ρ {difference(rho, low, high, 2)}",
        rest=_takes(row) if verdict in ("", "undecided") and not clear else "",
        support=tuple(part for part in parts if part),
        bounds=bounds,
        clear=clear,
        verdict=verdict,
    )


def _relation(row: Row, x: str, y: str, clear: bool) -> str:
    """Put a correlation into words: by its verdict where the table has one."""
    rho, verdict = row["rho"], row.get("verdict")
    if verdict == "none":
        return f"{y} and the {x} are unrelated within ±{float(row['margin']):g}"
    if verdict in ("positive", "negative") or (clear and not known(verdict)):
        return f"{y} {'rises' if rho > 0 else 'falls'} with the {x}"
    if known(row.get("margin")):
        return (
            f"Neither a relation between {y} and the {x} nor its absence within "
            f"±{float(row['margin']):g} could be shown"
        )
    return f"No relation between {y} and the {x} could be shown"


def _takes(row: Row) -> str:
    """Say what it would take to know, where the table knows."""
    least: Any = row.get("rho_detectable")
    if known(least) and float(least) < 0.995:
        return f"; so many networks find one of {float(least):.2f} or more with 80 % power"
    return "; it would take more networks"


def _networks(row: Row) -> str:
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


def _too_few(row: Row) -> str:
    """Say where no result at all could show that there is no relation."""
    needed: Any = row.get("n_needed")
    if not known(needed) or float(row["n"]) >= float(needed):
        return ""
    return f"so few networks cannot show that there is none: that takes {count(needed)}"


def _support(row: Row) -> list[str]:
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
    elif row.get("reliability") == 0:
        found.append("networks differ by no more than the noise of patients and seeds does")
    if known(row.get("p_family")):
        found.append(f"within families {p_value(row['p_family'])}")
    if known(row.get("rho_critical")):
        found.append(f"significant from |ρ| = {float(row['rho_critical']):.2f}")
    if known(row.get("rho_detectable")):
        found.append(f"80 % power from |ρ| = {float(row['rho_detectable']):.2f}")
    return found
