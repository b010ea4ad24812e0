"""Write docs/columns.md from the declarations of the tables; `--check` only compares."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

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


def section(table: Table) -> str:
    """Return the section of one table."""
    lines = ["", f"## {table.name}.csv", "", textwrap.fill(table.rows, WIDTH), ""]
    lines += listing("column", table.columns)
    if table.flags:
        lines += ["", *listing("flag", table.flags)]
    return "\n".join(lines) + "\n"


def listing(head: str, words: Sequence[Column]) -> list[str]:
    """Return a Markdown table of words and what they mean."""
    rows = [
        f"| {', '.join(f'`{name}`' for name in word.names)} | {word.meaning} |" for word in words
    ]
    return [f"| {head} | meaning |", "|---|---|", *rows]


def main() -> None:
    """Write the page, or say that it is out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if it would change")
    if not parser.parse_args().check:
        PAGE.write_text(page(), encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != page():
        sys.exit(f"{PAGE} is out of date; run python docs/columns.py.")


if __name__ == "__main__":
    main()
