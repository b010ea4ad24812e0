"""Compute what the frozen layers of a network make of a data set's images."""

from __future__ import annotations

import argparse
from pathlib import Path

from device_job import add_device_arguments, bring_back_cache, say, take_device

from transfergrid.evaluation.rebuild import make_features
from transfergrid.planning.features import check_features
from transfergrid.planning.notes import find_note
from transfergrid.planning.paths import RESULTS
from transfergrid.planning.unchanged import hold_plugins, hold_stage
from transfergrid.runtime.program import run_program


def main() -> None:
    """Bring back a missing cache, then make the features that this run's notes describe."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--id", required=True, help="id of the features")
    parser.add_argument("--notes", type=Path, required=True, help="folder of planned notes")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of results")
    add_device_arguments(parser)
    arguments = parser.parse_args()
    made_from = find_note(arguments.id, arguments.notes)["made_from"]
    hold_stage("features")
    check_features(arguments.id, made_from)
    hold_plugins(made_from)
    bring_back_cache(made_from["dataset"], arguments.results, arguments.threads)
    device = take_device(arguments, arguments.id, say)
    say(f"on {device.lease or device.name}")
    make_features(arguments.id, made_from, arguments.results, device.kind)


if __name__ == "__main__":
    run_program(main)
