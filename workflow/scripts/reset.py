"""Score one trained cell's network with one layer at a time put back to its start."""

from __future__ import annotations

from device_job import add_device_arguments, bring_back_cache, say, take_device
from noted_job import hold_weighing, note_parser, store_once

from transfergrid.planning.ends import weighings_directory
from transfergrid.planning.weighings import RESET
from transfergrid.runtime.program import run_program


def main() -> None:
    """Bring back missing weights and cache, then score what this run's notes describe."""
    parser = note_parser(__doc__, "the measurement")
    add_device_arguments(parser)
    arguments = parser.parse_args()
    results = arguments.results
    made_from, spec = hold_weighing(arguments, RESET)
    bring_back_cache(spec["dataset"]["id"], results, arguments.threads)
    device = take_device(arguments, arguments.id, say)
    # Late, because torch is to see one GPU; what is imported is what was held.
    from transfergrid.evaluation.reset import record_reset
    from transfergrid.training.starts import calibrate_start

    say(f"on {device.lease or device.name}")
    store_once(
        weighings_directory(arguments.id, results),
        "putting layers back",
        lambda: record_reset(arguments.id, made_from, results, device.kind, start=calibrate_start),
    )


if __name__ == "__main__":
    run_program(main)
