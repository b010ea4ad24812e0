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
    "method_sd": "SD between methods",
    "noise_to_signal": "SD between seeds / SD between what is compared",
    "neighbour_gap": "median difference of neighbours in the order",
    "trials_for_neighbours": "trials that set two such neighbours apart",
}


def text(question: Mapping[str, Any], manner: Manner) -> str:
    """Put a question into words, except for what limits it."""
    axis = question.get("axis", "architecture")
    return (
        f"How far do seeds spread, against {'networks' if axis == 'architecture' else axis + 's'}"
    )


def method(rows: pd.DataFrame) -> list[str]:
    """Return what the methods say of such questions."""
    return [
        "Seed noise is the standard deviation between seeds of one network; it is set beside the "
        "spread of the effects between networks, or of another axis. Where scores are compared, "
        "the number of trials is told that would set neighbours in the order apart."
    ]


def told(question: Mapping[str, Any], rows: pd.DataFrame, manner: Manner) -> Told:
    """Put its rows of findings.csv into words."""
    return Told(findings=findings(rows, QUANTITIES))
