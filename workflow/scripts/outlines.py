"""Compare what one trained cell's selections mark on test films with the true masks."""

from __future__ import annotations

from device_job import add_device_arguments, bring_back_cache, say, take_device
from noted_job import hold_measured, note_parser, store_once

from transfergrid.planning.ends import weighings_directory
from transfergrid.planning.notes import find_note
from transfergrid.planning.outlined import OUTLINES
from transfergrid.planning.unchanged import hold_reader
from transfergrid.runtime.program import run_program


def main() -> None:
    """Bring back a missing cache, then compare what this run's notes describe."""
    parser = note_parser(__doc__, "the measurement")
    add_device_arguments(parser)
    arguments = parser.parse_args()
    results = arguments.results
    made_from, spec = hold_measured(arguments, OUTLINES)
    note = find_note(spec["dataset"]["id"], arguments.notes)
    hold_reader(note)
    bring_back_cache(spec["dataset"]["id"], results, arguments.threads)
    device = take_device(arguments, arguments.id, say)
    # Late, because torch is to see one GPU; what is imported is what was held.
    from transfergrid.evaluation.outlines import Measurement, record_outlines

    say(f"on {device.lease or device.name}")
    asked = Measurement.planned(made_from, spec, results, note, device.kind)
    store_once(
        weighings_directory(arguments.id, results),
        "comparing masks",
        lambda: record_outlines(arguments.id, asked),
    )


if __name__ == "__main__":
    run_program(main)
