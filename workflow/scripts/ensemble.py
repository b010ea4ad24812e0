"""Ensemble one cell's checkpoints by one selection rule, chosen on validation scores."""

from __future__ import annotations

import argparse
from pathlib import Path

from transfergrid.planning.paths import cell_directory
from transfergrid.planning.records import SPEC, read_spec
from transfergrid.planning.unchanged import hold_cell, read_stamp
from transfergrid.runtime.program import run_program


def main() -> None:
    """Read the stored scores, write one row per study."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cell", required=True, help="name of the cell")
    parser.add_argument("--selection", required=True, help="last, best, top<k>, top<k>_per_task")
    parser.add_argument("--stamp", type=Path, required=True, help="stamp of the stage")
    parser.add_argument("--valid", type=Path, required=True, help="output for the validation set")
    parser.add_argument("--test", type=Path, required=True, help="output for the test set")
    arguments = parser.parse_args()
    read_stamp(arguments.stamp, "ensemble")
    folder = cell_directory(arguments.cell, arguments.stamp.parents[1])
    hold_cell(read_spec(folder / SPEC))
    from transfergrid.evaluation.ensemble import (
        cell_metric,
        choose_checkpoints,
        ensemble,
        write_ensemble,
    )
    from transfergrid.evaluation.scores import read_cell_scores

    valid = read_cell_scores(folder, "valid")
    chosen = choose_checkpoints(arguments.selection, valid, cell_metric(folder))
    write_ensemble(arguments.valid, ensemble(valid, chosen))
    write_ensemble(arguments.test, ensemble(read_cell_scores(folder, "test"), chosen))


if __name__ == "__main__":
    run_program(main)
