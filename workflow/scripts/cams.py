"""Make the class activation maps of one cell's best checkpoint on test images."""

from __future__ import annotations

import argparse
from pathlib import Path

from device_job import add_device_arguments, bring_back_cache, say, take_device

from transfergrid.planning.inputs import region_file
from transfergrid.planning.notes import find_note
from transfergrid.planning.paths import cell_directory
from transfergrid.planning.records import read_spec
from transfergrid.planning.unchanged import hold_cell, read_stamp
from transfergrid.runtime.heartbeat import heartbeat
from transfergrid.runtime.program import run_program


def main() -> None:
    """Bring back a missing cache, then make the maps; the cell's folder is only read."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cell", required=True, help="name of the cell")
    parser.add_argument("--stamp", type=Path, required=True, help="stamp of the stage")
    parser.add_argument("--notes", type=Path, required=True, help="folder of planned notes")
    parser.add_argument("--output", type=Path, required=True, help="file of maps and marks")
    add_device_arguments(parser)
    arguments = parser.parse_args()
    settings = read_stamp(arguments.stamp, "cams")
    results = arguments.stamp.parents[1]
    spec = read_spec(cell_directory(arguments.cell, results) / "spec.json")
    hold_cell(spec)
    known = settings["regions"].get(spec["dataset"]["id"])
    regions = region_file(find_note(known, arguments.notes)) if known else None
    bring_back_cache(spec["dataset"]["id"], results, arguments.threads)
    device = take_device(arguments, arguments.cell, say)
    # Late, because torch is to see one GPU; what is imported is what was held.
    from transfergrid.evaluation.cam import cam_cell
    from transfergrid.evaluation.cam_record import write_record

    say(f"on {device.lease or device.name}")
    with heartbeat("mapping"):
        write_record(arguments.output, cam_cell(spec, results, settings, device.kind, regions))


if __name__ == "__main__":
    run_program(main)
