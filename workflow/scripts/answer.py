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
    from transfergrid.reporting.tables.files import write_table
    from transfergrid.reporting.tables.stage_files import read_made_table, seal_stage
    from transfergrid.statistics.answers import answer

    results = arguments.stamp.parents[1]
    folder = results / study["name"]
    with heartbeat("answering questions"):
        answers = answer(study, read_made_table(folder, "cells"), results)
    for sentence in answers.skipped:
        print(sentence, file=sys.stderr)
    for name, table in answers.tables.items():
        write_table(table, folder / "tables" / f"{name}.csv")
    seal_stage(folder, "statistics")


if __name__ == "__main__":
    run_program(main)
