"""A study's tables as Markdown and as LaTeX: short ones to print, and each whole table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from transfergrid.catalog.tables import ANALYSES
from transfergrid.planning.grid import ALL
from transfergrid.planning.planned import PlannedStudy
from transfergrid.reporting import markdown
from transfergrid.reporting.tables.stage_files import read_made_table
from transfergrid.reporting.words import level
from transfergrid.runtime.atomic import replacing_directory, write_text

ENDINGS = {"markdown": "md", "latex": "tex"}
SHORT = "short"
"""What the names of tables begin with that print a few numbers of a table for a reader."""
_PARTS = re.compile(r"(?<!\\)\|")
_SPECIAL = {
    **{c: f"\\{c}" for c in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"−": "$-$", "≥": r"$\geq$", "≤": r"$\leq$", "×": r"$\times$", "→": r"$\to$", "–": "--"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "∞": r"$\infty$", "ρ": r"$\rho$"},
}
"""What LaTeX would take for a command, or has no letter for."""


def write_tables(study: PlannedStudy, results: Path, folder: Path, form: str) -> int:
    """Write every table that has rows, and short ones where there is a way to shorten.

    Args:
        study: A finished study.
        results: The folder of results.
        folder: Where to; what was there is replaced.
        form: "markdown" or "latex".

    Returns:
        The number of tables.

    Raises:
        UserError: A table is not what was written.
    """
    texts: dict[str, str] = {}
    told = level(float(study.study.config["evaluation"]["confidence"]))
    for stage in ANALYSES:
        if not study.has(stage):
            continue
        for declared in stage.tables:
            table = read_made_table(results / study.name, declared.name)
            if len(table):
                texts[declared.name] = whole(table)
                if short := shortened(declared.name, table, told, results):
                    texts[f"{SHORT}_{declared.name}"] = short
    with replacing_directory(folder) as new:
        for name, text in texts.items():
            made = text if form == "markdown" else as_latex(text)
            write_text(new / f"{name}.{ENDINGS[form]}", f"{made}\n")
    return len(texts)


def shortened(name: str, table: pd.DataFrame, told: str, results: Path) -> str:
    """Return a table for a reader, as Markdown; an empty text where nothing shortens it."""
    if name == "cells":
        whole_sets = table[table["fold"] == ALL]
        scored = whole_sets[whole_sets["status"] == "finished"]
        if len(whole_sets) < len(table) or scored.empty:
            return ""  # what is pooled over folds has no training of its own
        return markdown.networks(scored, told, results)
    if name not in ("contrasts", *markdown.TABLES):
        return ""
    return str(getattr(markdown, name)(table, told))


def whole(table: pd.DataFrame) -> str:
    """Return all rows as a Markdown table, without columns that are empty throughout.

    Numbers have four significant digits: the table to compute with is the CSV.
    """
    kept = table.dropna(axis="columns", how="all")
    numbers = [pd.api.types.is_numeric_dtype(kept[column]) for column in kept]
    lines = [_line(list(kept.columns)), "|" + "".join("---:|" if n else "---|" for n in numbers)]
    lines += [_line([_cell(value) for value in row]) for row in kept.itertuples(index=False)]
    return "\n".join(lines)


def _cell(value: object) -> str:
    if isinstance(value, float):
        text = "" if pd.isna(value) else f"{value:.4g}"
        return text.replace("-", "−")
    return str(value)


def _line(parts: Sequence[str]) -> str:
    return "| " + " | ".join(part.replace("|", "\\|").replace("\n", " ") for part in parts) + " |"


def as_latex(text: str) -> str:
    """Return a Markdown table as a LaTeX tabular, whose lines are those of booktabs."""
    head, rule, *rows = text.splitlines()
    sides = ["r" if part.strip().endswith(":") else "l" for part in _split(rule)]
    lines = [
        "% needs \\usepackage{booktabs}",
        f"\\begin{{tabular}}{{{''.join(sides)}}}",
        "\\toprule",
        _latex_line(head),
        "\\midrule",
        *map(_latex_line, rows),
        "\\bottomrule",
        "\\end{tabular}",
    ]
    return "\n".join(lines)


def _split(line: str) -> list[str]:
    return [part.strip() for part in _PARTS.split(line.strip())[1:-1]]


def _latex_line(line: str) -> str:
    return " & ".join(_escaped(part.replace("\\|", "|")) for part in _split(line)) + " \\\\"


def _escaped(text: str) -> str:
    return "".join(_SPECIAL.get(character, character) for character in text)
