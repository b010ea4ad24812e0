"""Make the tables of one stage of a study: the stage that its stamp is of."""

from __future__ import annotations

import argparse
import os
from pathlib import Path


def main() -> None:
    """Call the stage's function, write what it returns and seal it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stamp", type=Path, required=True, help="stamp of the stage")
    parser.add_argument("--threads", type=int, default=1, help="cells read at the same time")
    arguments = parser.parse_args()

    # One thread of arithmetic in each process: numpy would start as many as there are cores.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # Each process that reads cells imports this file, and needs none of these.
    from transfergrid.planning.gathered import read_study
    from transfergrid.planning.stamps import stage_of
    from transfergrid.planning.unchanged import hold_networks, hold_questions, hold_readers
    from transfergrid.runtime.heartbeat import heartbeat

    stage, results = stage_of(arguments.stamp), arguments.stamp.parents[1]
    study = read_study(arguments.stamp)
    hold_networks(study, results)
    hold_questions(study)
    hold_readers(study, results)
    from transfergrid.reporting.tables.analysis import analyse

    with heartbeat(f"making the {stage}"):
        analyse(stage, study, results, arguments.threads)


if __name__ == "__main__":
    from transfergrid.runtime.program import run_program

    run_program(main)
