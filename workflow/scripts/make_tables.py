"""Gather a study's ensembles in tables: cells, sources, bootstrap, trials, calibration."""

from __future__ import annotations

import argparse
import os
from pathlib import Path


def main() -> None:
    """Read the ensembles, write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stamp", type=Path, required=True, help="stamp of the stage")
    parser.add_argument("--threads", type=int, default=1, help="cells read at the same time")
    arguments = parser.parse_args()

    # One thread of arithmetic in each process: numpy would start as many as there are cores.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # Each process that reads cells imports this file, and needs none of these.
    from transfergrid.planning.unchanged import hold_networks, read_stamp

    study = read_stamp(arguments.stamp, "tables")
    results = arguments.stamp.parents[1]
    hold_networks(study, results)
    from transfergrid.reporting.tables.gather import write_tables

    write_tables(study, results, results / study["name"] / "tables", arguments.threads)


if __name__ == "__main__":
    from transfergrid.runtime.program import run_program

    run_program(main)
