"""How far seeds spread, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from transfergrid.reporting.page.answer import Manner, Told
from transfergrid.reporting.page.findings import findings

QUANTITIES = {
    "seed_sd": "SD between seeds",
    "network_sd": "SD between networks",
    "noise_to_signal": "SD between seeds / SD between networks",
}


def text(question: Mapping[str, Any], manner: Manner) -> str:
    """Put a question into words, except for what limits it."""
    return "How far do seeds spread, against networks"


def method(rows: pd.DataFrame) -> list[str]:
    """Return what the methods say of such questions."""
    return [
        "Seed noise is the standard deviation between seeds of one network; it is set beside the "
        "spread of the effects between networks."
    ]


def told(question: Mapping[str, Any], rows: pd.DataFrame, manner: Manner) -> Told:
    """Put its rows of findings.csv into words."""
    return Told(findings=findings(rows, QUANTITIES))
