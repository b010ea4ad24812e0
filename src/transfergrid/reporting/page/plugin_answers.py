"""A question of the user's own, in the user's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from transfergrid.reporting.page.answer import Manner, Told
from transfergrid.reporting.page.findings import findings
from transfergrid.reporting.words import capital


def text(question: Mapping[str, Any], manner: Manner) -> str:
    """Return the question as the study puts it, or its name as a sentence."""
    name = str(question["name"]).replace("_", " ")
    return str(question["text"] or capital(name)).removesuffix("?")


def method(rows: pd.DataFrame) -> list[str]:
    """Return what the methods say of such questions."""
    return ["The study's own questions are answered by its own code, which is part of the record."]


def told(question: Mapping[str, Any], rows: pd.DataFrame, manner: Manner) -> Told:
    """Put its rows of findings.csv into words; quantities keep the plug-in's names."""
    return Told(findings=findings(rows, {}))
