"""Measure how far the weights of one trained cell have moved from where they started."""

from __future__ import annotations

import argparse
from pathlib import Path

from transfergrid.models.rebuild import ensure_weights
from transfergrid.planning.ends import weighings_directory
from transfergrid.planning.notes import find_note
from transfergrid.planning.paths import RESULTS, cell_directory
from transfergrid.planning.records import SPEC, is_whole, read_spec
from transfergrid.planning.unchanged import hold_cell, hold_stage
from transfergrid.planning.weighings import DRIFT, check_weighing
from transfergrid.runtime.heartbeat import heartbeat
from transfergrid.runtime.locks import make_once
from transfergrid.runtime.program import run_program


def main() -> None:
    """Bring back missing initial weights, then measure what this run's notes describe."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--id", required=True, help="id of the measurement")
    parser.add_argument("--notes", type=Path, required=True, help="folder of planned notes")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of results")
    arguments = parser.parse_args()
    results = arguments.results
    made_from = find_note(arguments.id, arguments.notes)["made_from"]
    hold_stage(DRIFT)
    check_weighing(arguments.id, made_from, DRIFT)
    spec = read_spec(cell_directory(made_from["cell"], results) / SPEC)
    hold_cell(spec)
    if spec["weights"]["id"]:
        ensure_weights(spec["weights"]["id"], results)
    # Late: what is imported is what was held.
    from transfergrid.evaluation.drift import record_drift

    folder = weighings_directory(arguments.id, results)
    with heartbeat("comparing weights"):
        make_once(
            lambda: is_whole(folder),
            folder.with_name(f".{arguments.id}.lock"),
            lambda: record_drift(arguments.id, made_from, results),
        )


if __name__ == "__main__":
    run_program(main)
