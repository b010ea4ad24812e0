"""Score one trained cell's checkpoints on the films of another hospital."""

from __future__ import annotations

from device_job import add_device_arguments, bring_back_cache, say, take_device
from noted_job import hold_measured, note_parser, store_once

from transfergrid.planning.ends import weighings_directory
from transfergrid.planning.external import EXTERNAL
from transfergrid.runtime.program import run_program


def main() -> None:
    """Bring back the other data set's cache if it is gone, then score what the notes describe."""
    parser = note_parser(__doc__, "the measurement")
    add_device_arguments(parser)
    arguments = parser.parse_args()
    results = arguments.results
    made_from, spec = hold_measured(arguments, EXTERNAL)
    bring_back_cache(made_from["dataset"], results, arguments.threads)
    device = take_device(arguments, arguments.id, say)
    # Late, because torch is to see one GPU; what is imported is what was held.
    from transfergrid.evaluation.external import record_external

    say(f"on {device.lease or device.name}")
    store_once(
        weighings_directory(arguments.id, results),
        "scoring elsewhere",
        lambda: record_external(arguments.id, made_from, spec, results, device.kind),
    )


if __name__ == "__main__":
    run_program(main)
