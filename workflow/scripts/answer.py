"""Answer a study's questions and judge its claims."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from transfergrid.planning.unchanged import read_stamp
from transfergrid.runtime.heartbeat import heartbeat
from transfergrid.runtime.program import run_program


def main() -> None:
    """Read cells.csv and the ensembles, write the answers' tables beside cells.csv."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stamp", type=Path, required=True, help="stamp of the stage")
    arguments = parser.parse_args()
    study = read_stamp(arguments.stamp, "statistics")
    from transfergrid.reporting.table_files import read_table, write_table
    from transfergrid.statistics.questions import answer

    results = arguments.stamp.parents[1]
    tables = results / study["name"] / "tables"
    with heartbeat("answering questions"):
        answers = answer(study, read_table(tables / "cells.csv"), results)
    for sentence in answers.skipped:
        print(sentence, file=sys.stderr)
    for name, table in answers.tables.items():
        write_table(table, tables / f"{name}.csv")


if __name__ == "__main__":
    run_program(main)
