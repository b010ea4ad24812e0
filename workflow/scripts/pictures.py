"""Draw test films with what networks of a study mark on them, beside what is true."""

from __future__ import annotations

import argparse
from pathlib import Path

from device_job import add_device_arguments, bring_back_cache, say, take_device

from transfergrid.planning.gathered import read_study
from transfergrid.planning.paths import cell_directory
from transfergrid.planning.records import read_spec
from transfergrid.planning.unchanged import hold_cell
from transfergrid.runtime.heartbeat import heartbeat
from transfergrid.runtime.program import run_program


def main() -> None:
    """Choose cells and films by their scores, then mark the films with the cells' networks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stamp", type=Path, required=True, help="stamp of the stage")
    add_device_arguments(parser)
    arguments = parser.parse_args()
    study, results = read_study(arguments.stamp), arguments.stamp.parents[1]
    specs = [
        read_spec(cell_directory(cell, results) / "spec.json")
        for cell in study["pictured"]["cells"]
    ]
    for spec in specs:
        hold_cell(spec)
    for dataset in sorted({spec["dataset"]["id"] for spec in specs}):
        bring_back_cache(dataset, results, arguments.threads)
    device = take_device(arguments, f"films of {study['name']}", say)
    # Late, because torch is to see one GPU; what is imported is what was held.
    from transfergrid.reporting.pictures.making import make_pictures

    say(f"on {device.lease or device.name}")
    with heartbeat("marking films"):
        make_pictures(study, results, device.kind)


if __name__ == "__main__":
    run_program(main)
