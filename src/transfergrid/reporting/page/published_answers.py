"""A published figure beside this study's scores, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from transfergrid.reporting.page.answer import Manner, Told
from transfergrid.reporting.page.findings import findings

QUANTITIES = {
    "rank_correlation": "Spearman's ρ of ours and the figure's",
    "mean_difference": "mean of ours minus the figure's",
    "difference": "ours minus the figure's",
}


def text(question: Mapping[str, Any], manner: Manner) -> str:
    """Put what no study asks into words."""
    return "How do the AUROCs of the paper's own figure, read off it, compare with ours"


def method(rows: pd.DataFrame) -> list[str]:
    """Return what the methods say of such questions."""
    return [
        "AUROCs that were read off a published figure are set beside the study's; they are not "
        "published numbers."
    ]


def told(question: Mapping[str, Any], rows: pd.DataFrame, manner: Manner) -> Told:
    """Put its rows of findings.csv into words."""
    return Told(findings=findings(rows, QUANTITIES))
