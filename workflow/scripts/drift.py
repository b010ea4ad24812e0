"""Measure how far the weights of one trained cell have moved from where they started."""

from __future__ import annotations

from noted_job import hold_weighing, note_parser, store_once

from transfergrid.planning.ends import weighings_directory
from transfergrid.planning.weighings import DRIFT
from transfergrid.runtime.program import run_program


def main() -> None:
    """Bring back missing initial weights, then measure what this run's notes describe."""
    arguments = note_parser(__doc__, "the measurement").parse_args()
    made_from, _ = hold_weighing(arguments, DRIFT)
    # Late: what is imported is what was held.
    from transfergrid.evaluation.drift import record_drift

    store_once(
        weighings_directory(arguments.id, arguments.results),
        "comparing weights",
        lambda: record_drift(arguments.id, made_from, arguments.results),
    )


if __name__ == "__main__":
    run_program(main)
