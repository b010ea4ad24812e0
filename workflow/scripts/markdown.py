"""Print a study's results as Markdown: networks over seeds, contrasts, and each table there is."""

from __future__ import annotations

import argparse
from pathlib import Path

from transfergrid.reporting import markdown
from transfergrid.reporting.tables.files import read_table
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.program import run_program


def main() -> None:
    """Print the tables of results/<study>/tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", help="name of a finished study")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of results")
    arguments = parser.parse_args()
    tables = arguments.results / arguments.study / "tables"
    if not (tables / "contrasts.csv").is_file():
        raise UserError(f"{tables} has no contrasts.csv; run the study to its end first.")
    told = markdown.level_of(arguments.study, arguments.results)
    print(markdown.networks(read_table(tables / "cells.csv"), told, arguments.results))
    print()
    print(markdown.contrasts(read_table(tables / "contrasts.csv"), told))
    for name in markdown.TABLES:
        file = tables / f"{name}.csv"
        if file.is_file() and len(table := read_table(file)):
            print()
            print(getattr(markdown, name)(table, told))


if __name__ == "__main__":
    run_program(main)
