"""Write docs/columns.md from the declarations of the tables; `--check` only compares."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from written import keep, table

from transfergrid.catalog.records import Column, Table
from transfergrid.catalog.tables import TABLES

PAGE = Path(__file__).with_name("columns.md")
WIDTH = 116
HEAD = """\
# Columns of the tables

<!-- Written by docs/columns.py from src/transfergrid/catalog; edit the declarations there. -->

All tables are CSV in UTF-8 with a header, under `results/<study>/tables/`. An empty field is
"unknown" or "does not apply". Every interval has the study's confidence level
(`evaluation.confidence`, .95 by default).
"""


def page() -> str:
    """Return the page: a section a table, a line a column."""
    return HEAD + "".join(map(section, TABLES))


def section(declared: Table) -> str:
    """Return the section of one table."""
    lines = ["", f"## {declared.name}.csv", "", textwrap.fill(declared.rows, WIDTH), ""]
    lines += listing("column", declared.columns)
    if declared.flags:
        lines += ["", *listing("flag", declared.flags)]
    return "\n".join(lines) + "\n"


def listing(head: str, words: Sequence[Column]) -> list[str]:
    """Return a Markdown table of words and what they mean."""
    named = ((", ".join(f"`{name}`" for name in word.names), word.meaning) for word in words)
    return table((head, "meaning"), named)


if __name__ == "__main__":
    keep(PAGE, page())
