"""The numbers of a paper's first version beside this study's, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from transfergrid.reporting.page.answer import Manner, Told
from transfergrid.reporting.page.findings import findings

QUANTITIES = {
    "v1_auroc": "AUROC, published, v1 of February 2023",
    "ours_minus_v1_auroc": "our AUROC minus that of v1",
    "v1_mean_cca": "mean CCA, published, v1 of February 2023",
    "ours_minus_v1_mean_cca": "our mean CCA minus that of v1",
}


def text(question: Mapping[str, Any], manner: Manner) -> str:
    """Put what no study asks into words."""
    return "How do the numbers of the paper's first version (v1 of February 2023) compare with ours"


def method(rows: pd.DataFrame) -> list[str]:
    """Return what the methods say of such questions."""
    return [
        "Numbers of a paper's first version, computed from the tables that its authors released, "
        "are set beside the study's; they are not the paper's final ones. That version's canonical "
        "correlations are of 64 channels drawn from a few images, ours of all channels."
    ]


def told(question: Mapping[str, Any], rows: pd.DataFrame, manner: Manner) -> Told:
    """Put its rows of findings.csv into words."""
    return Told(findings=findings(rows, QUANTITIES))
