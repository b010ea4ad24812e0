"""The order of networks, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from transfergrid.reporting.page.answer import Manner, Told
from transfergrid.reporting.page.findings import findings

QUANTITIES = {"rank": "rank among the networks, 1 the best"}


def text(question: Mapping[str, Any], manner: Manner) -> str:
    """Put a question into words, except for what limits it."""
    return "How surely is the order of the networks known"


def method(rows: pd.DataFrame) -> list[str]:
    """Return what the methods say of such questions."""
    return [
        "Ranks of networks have bounds from the comparison of all pairs, adjusted by Holm's "
        "method; they hold for all networks of a question at once."
    ]


def told(question: Mapping[str, Any], rows: pd.DataFrame, manner: Manner) -> Told:
    """Put its rows of findings.csv into words."""
    return Told(findings=findings(rows, QUANTITIES))
