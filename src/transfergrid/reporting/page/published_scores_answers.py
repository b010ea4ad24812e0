"""A study's published table beside this study's scores, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from transfergrid.reporting.page.answer import Manner, Told
from transfergrid.reporting.page.findings import findings

QUANTITIES = {
    "rank_correlation": "Spearman's ρ of ours and theirs",
    "mean_difference": "mean of ours minus theirs",
    "ours_minus_published": "ours minus theirs",
}
"""The page has a row for each initialisation; findings.csv has both numbers by themselves."""


def text(question: Mapping[str, Any], manner: Manner) -> str:
    """Put what no study asks into words."""
    return "How do the scores in the paper's own tables and figures compare with ours"


def method(rows: pd.DataFrame) -> list[str]:
    """Return what the methods say of such questions."""
    return [
        "Means of a published study are set beside this study's, on data sets of the same names. "
        "Those that were read off a figure are told as digitised, and are used only where none was "
        "printed. An interval is that of ours, of test patients and trials; theirs are taken as "
        "they are. Where no lists of films were released, ours are other films."
    ]


def told(question: Mapping[str, Any], rows: pd.DataFrame, manner: Manner) -> Told:
    """Put its rows of findings.csv into words."""
    return Told(findings=findings(rows[rows["quantity"].isin(list(QUANTITIES))], QUANTITIES))
