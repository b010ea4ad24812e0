"""Rows of tables as questions leave them, and what the page shows of them."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
from unit.reporting.built_in_words import WORDS

from transfergrid.reporting.page.answer import Manner
from transfergrid.reporting.page.answers import Question, questions

CONTRAST: dict[str, Any] = {
    "contrast": "resnet18: imagenet - random",
    "question": "boost",
    "axis": "pretraining",
    "architecture": "resnet18",
    "pretraining": "",
    "truncation": 0,
    "protocol": "tuned",
    "n_cells_asked": 1,
    "metric": "auroc",
    "dataset": "chest",
    "a": "imagenet",
    "b": "random",
    "n_cells": 1,
    "n_seeds": 3,
    "n_studies": 234,
    "n_patients": 200,
    "estimate": 0.034,
    "low": 0.012,
    "high": 0.056,
    "p_difference": 0.0031,
    "p_difference_adjusted": 0.0093,
    "p_equivalence": math.nan,
    "p_equivalence_adjusted": math.nan,
    "method": "paired t",
    "margin": math.nan,
    "verdict": "better",
    "verdict_rests_on": "p_difference",
    "conditional_on": "one released weight file",
}
CORRELATION: dict[str, Any] = {
    "question": "size",
    "x": "params",
    "y": "score",
    "metric": "auroc",
    "dataset": "chest",
    "pretraining": "random",
    "truncation": 0,
    "protocol": "tuned",
    "n": 16,
    "rho": 0.06,
    "low": -0.45,
    "high": 0.54,
    "p": 0.82,
    "method": "Fisher z",
}
ASKED: dict[str, Any] = {"axis": "pretraining", "baseline": "random", "effect": None}
ASKED |= {"name": "boost", "kind": "contrast"}
SIZE_ASKED = {"name": "size", "kind": "correlation", "x": "params", "y": "score", "where": {}}
MANNER = Manner(0.95, WORDS, frozenset({"auroc"}))


def shown(*declared: dict[str, Any], **tables: Any) -> list[Question]:
    """Return what the page shows of questions, given the rows of some tables."""
    empty = {"contrasts": [CONTRAST], "correlations": [CORRELATION]}
    empty |= {"findings": [{"question": "", "networks": ""}]}
    frames = {name: pd.DataFrame(rows).iloc[:0] for name, rows in empty.items()}
    frames |= {name: pd.DataFrame(rows) for name, rows in tables.items()}
    return questions(declared, frames, MANNER)
