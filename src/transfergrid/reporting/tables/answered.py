"""The tables of a study's answers, from the cells that are there."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from transfergrid.planning.paths import cell_directory
from transfergrid.planning.records import SCORED
from transfergrid.reporting.tables.stage_files import read_made_table
from transfergrid.statistics.answers import answer

SHOWN = 5
"""Comparisons without their cells that are told one by one."""

COMPARED = ("similarity", "agreement")
"""Tables that answers are made of where a study asks for them."""


def statistics(study: Mapping[str, Any], results: Path, workers: int) -> Mapping[str, pd.DataFrame]:
    """Answer the study's questions and judge its claims.

    A question is asked of the cells that are there, which for a finished run are all of them.
    """
    there = [
        entry
        for entry in study["cells"]
        if (cell_directory(entry["cell"], results) / SCORED).exists()
    ]
    cells = read_made_table(results / study["name"], "cells")
    folder, asked = results / study["name"], study["similarity"] is not None
    compared = {name: read_made_table(folder, name) for name in COMPARED if asked}
    answers = answer({**study, "cells": there}, cells, results, compared)
    for sentence in answers.skipped[:SHOWN]:
        print(sentence, file=sys.stderr)
    if len(answers.skipped) > SHOWN:
        print(f"and {len(answers.skipped) - SHOWN} more comparisons lack cells", file=sys.stderr)
    return answers.tables
