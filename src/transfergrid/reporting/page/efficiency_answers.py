"""How far networks can be cut, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from transfergrid.reporting.page.answer import Manner, Told
from transfergrid.reporting.page.findings import findings
from transfergrid.statistics.named import NO_LOSS_FOUND, NON_INFERIOR, quantity

AT_CUT = {
    "blocks": "blocks removed",
    "params_ratio": "parameters, whole / cut",
    "macs_ratio": "multiply-accumulates, whole / cut",
    "speed_ratio": "images/s, cut / whole",
    "score_change": "change of score",
}
CUTS = {
    NON_INFERIOR: "largest cut shown to lose less than the margin",
    NO_LOSS_FOUND: "largest cut before a loss is found, which depends on the test set's size",
}
QUANTITIES = {
    quantity(name, rule): f"{words}, {cut}"
    for name, words in AT_CUT.items()
    for rule, cut in CUTS.items()
}


def text(question: Mapping[str, Any], manner: Manner) -> str:
    """Put a question into words, except for what limits it."""
    return "How far can networks be cut and lose less than the margin"


def method(rows: pd.DataFrame) -> list[str]:
    """Return what the methods say of such questions."""
    return [
        "How far a network may be cut is answered by the largest cut shown to lose less than the "
        "margin; that no loss was found says how large the test set is. Parameters are counted by "
        "one rule for whole and truncated networks, the new head included."
    ]


def told(question: Mapping[str, Any], rows: pd.DataFrame, manner: Manner) -> Told:
    """Put its rows of findings.csv into words."""
    return Told(findings=findings(rows, QUANTITIES))
