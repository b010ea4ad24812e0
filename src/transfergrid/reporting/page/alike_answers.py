"""How alike two sources of weights are, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from transfergrid.reporting.page.answer import Manner, Told
from transfergrid.reporting.page.findings import findings

QUANTITIES = {
    "sources_after": "similarity of two sources, trained",
    "sources_after_minus_random": "the same minus that of networks drawn from two seeds",
    "sources_after_minus_before": "the same minus that of the sources as released",
    "sources_agree": "agreement of predictions, as a share of what is possible beyond chance",
    "sources_agree_minus_seeds": "the same minus that of two seeds of one source",
}


def text(question: Mapping[str, Any], manner: Manner) -> str:
    """Put what no study asks into words."""
    return "How alike are networks from two sources, in what they see and in what they say"


def method(rows: pd.DataFrame) -> list[str]:
    """Return what the methods say of such questions."""
    return [
        "Sources are compared on the same images, layer by layer; the mean over layers leaves the "
        "pooled features out. Bounds of means and of differences are made of the bounds of the "
        "pairs, and so no narrower than an interval of their own."
    ]


def told(question: Mapping[str, Any], rows: pd.DataFrame, manner: Manner) -> Told:
    """Put its rows of findings.csv into words."""
    return Told(findings=findings(rows, QUANTITIES))
