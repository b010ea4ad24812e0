"""Draw test films with what networks of a study mark on them, beside what is true."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from device_job import add_device_arguments, bring_back_cache, say, take_device

from transfergrid.planning.gathered import read_study
from transfergrid.planning.paths import cell_directory
from transfergrid.planning.records import SPEC, read_spec
from transfergrid.planning.unchanged import hold_cell
from transfergrid.runtime.heartbeat import heartbeat
from transfergrid.runtime.program import run_program

if TYPE_CHECKING:
    from transfergrid.reporting.pictures.file import Picture


def main() -> None:
    """Choose cells and films by their scores, then mark those of which there is no picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stamp", type=Path, required=True, help="stamp of the stage")
    add_device_arguments(parser)
    arguments = parser.parse_args()
    study, results = read_study(arguments.stamp), arguments.stamp.parents[1]
    # Late: what is imported is what was held.
    from transfergrid.reporting.pictures.file import write_pictures
    from transfergrid.reporting.pictures.wanted import wanted_pictures

    wanted = wanted_pictures(study, results)
    shown: Sequence[Picture] = wanted.shown
    say(f"{len(wanted.due)} of {len(shown)} films have to be marked")
    if wanted.due:
        networks = sorted({film.network for film in wanted.due})
        specs = [read_spec(cell_directory(network, results) / SPEC) for network in networks]
        for spec in specs:
            hold_cell(spec)
        for dataset in sorted({spec["dataset"]["id"] for spec in specs}):
            bring_back_cache(dataset, results, arguments.threads)
        device = take_device(arguments, f"films of {study['name']}", say)
        # Later still, because torch is to see one GPU.
        from transfergrid.reporting.pictures.making import with_pictures

        say(f"on {device.lease or device.name}")
        with heartbeat("marking films"):
            shown = with_pictures(wanted, results, device.kind)
    write_pictures(results / study["name"], shown, wanted.earlier)


if __name__ == "__main__":
    run_program(main)
