"""Store the activations of one state of a network, its initial weights or a checkpoint."""

from __future__ import annotations

from device_job import add_device_arguments, bring_back_cache, say, take_device
from noted_job import note_parser, noted, store_once

from transfergrid.models.rebuild import ensure_weights
from transfergrid.planning.paths import activations_directory, cell_directory
from transfergrid.planning.records import SPEC, read_spec
from transfergrid.planning.states import check_state
from transfergrid.planning.unchanged import hold_cell, hold_plugins, hold_stage
from transfergrid.runtime.program import run_program


def main() -> None:
    """Bring back missing weights and cache, then store what this run's notes describe."""
    parser = note_parser(__doc__, "the state")
    add_device_arguments(parser)
    arguments = parser.parse_args()
    results = arguments.results
    made_from = noted(arguments)
    hold_stage("activations")
    check_state(arguments.id, made_from)
    if made_from.get("cell"):
        hold_cell(read_spec(cell_directory(made_from["cell"], results) / SPEC))
    else:
        hold_plugins(made_from)
        if made_from["weights"]["id"]:
            ensure_weights(made_from["weights"]["id"], results)
    bring_back_cache(made_from["dataset"], results, arguments.threads)
    device = take_device(arguments, arguments.id, say)
    # Late, because torch is to see one GPU; what is imported is what was held.
    from transfergrid.evaluation.activations import record_activations
    from transfergrid.training.starts import calibrate_start

    say(f"on {device.lease or device.name}")
    store_once(
        activations_directory(arguments.id, results),
        "storing activations",
        lambda: record_activations(
            arguments.id, made_from, results, device.kind, start=calibrate_start
        ),
    )


if __name__ == "__main__":
    run_program(main)
