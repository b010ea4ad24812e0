"""Store the activations of one state of a network, its initial weights or a checkpoint."""

from __future__ import annotations

import argparse
from pathlib import Path

from device_job import add_device_arguments, bring_back_cache, say, take_device

from transfergrid.models.rebuild import ensure_weights
from transfergrid.planning.notes import find_note
from transfergrid.planning.paths import RESULTS, activations_directory, cell_directory
from transfergrid.planning.records import SPEC, is_whole, read_spec
from transfergrid.planning.states import check_state
from transfergrid.planning.unchanged import hold_cell, hold_plugins, hold_stage
from transfergrid.runtime.heartbeat import heartbeat
from transfergrid.runtime.locks import make_once
from transfergrid.runtime.program import run_program


def main() -> None:
    """Bring back a missing cache and weights, then store what this run's notes describe."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--id", required=True, help="id of the state")
    parser.add_argument("--notes", type=Path, required=True, help="folder of planned notes")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of results")
    add_device_arguments(parser)
    arguments = parser.parse_args()
    results = arguments.results
    made_from = find_note(arguments.id, arguments.notes)["made_from"]
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
    folder = activations_directory(arguments.id, results)
    with heartbeat("storing activations"):
        make_once(
            lambda: is_whole(folder),
            folder.with_name(f".{arguments.id}.lock"),
            lambda: record_activations(
                arguments.id, made_from, results, device.kind, start=calibrate_start
            ),
        )


if __name__ == "__main__":
    run_program(main)
