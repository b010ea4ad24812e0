"""How much families and sizes of networks explain, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from transfergrid.reporting.page.answer import Manner, Told
from transfergrid.reporting.page.findings import findings

QUANTITIES = {
    "between_family_sd": "SD between families",
    "within_family_sd": "SD within families",
    "family_share": "share of variance between families",
    "family_share_disattenuated": "share between families, freed of patients' and seeds' noise",
    "size_share": "share of variance that size explains",
    "size_share_within": "the same within families",
}


def text(question: Mapping[str, Any], manner: Manner) -> str:
    """Put a question into words, except for what limits it."""
    return "How much of the spread between networks do their family and their size explain"


def method(rows: pd.DataFrame) -> list[str]:
    """Return what the methods say of such questions."""
    return [
        "Shares of variance between and within families are descriptive, with intervals and "
        "without a test."
    ]


def told(question: Mapping[str, Any], rows: pd.DataFrame, manner: Manner) -> Told:
    """Put its rows of findings.csv into words."""
    return Told(findings=findings(rows, QUANTITIES))
