"""Score every kept checkpoint of one cell on the validation and the test images."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from device_job import add_device_arguments, bring_back_cache, say, take_device

from transfergrid.evaluation.rebuild import can_make, ensure_features, hold_features
from transfergrid.planning.paths import cell_directory
from transfergrid.planning.records import AHEAD_LOCK, LOCK, read_spec
from transfergrid.planning.unchanged import hold_cell, read_stamp
from transfergrid.runtime.live import Live
from transfergrid.runtime.locks import exclusive_after
from transfergrid.runtime.program import run_program
from transfergrid.runtime.watcher import Watcher


def main() -> None:
    """Bring back a missing cache, then write the scores under the cell's lock."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cell", required=True, help="name of the cell")
    parser.add_argument("--stamp", type=Path, required=True, help="stamp of the stage")
    add_device_arguments(parser)
    arguments = parser.parse_args()
    code = read_stamp(arguments.stamp, "evaluate")["code"]
    results = arguments.stamp.parents[1]
    folder = cell_directory(arguments.cell, results)
    spec = read_spec(folder / "spec.json")
    hold_cell(spec)
    hold_features(spec)
    busy = f"cell {folder.name} is in use by another process; wait for it."
    with exclusive_after(folder / LOCK, folder / AHEAD_LOCK, busy, say_waiting):
        live = Live(folder, "evaluate")
        with live.account() as end:
            from transfergrid.evaluation.ahead import take_over

            fresh = bool(os.environ.get("TRANSFERGRID_FRESH"))
            if not fresh and take_over(folder, code, arguments.threads):
                print("the scores were made when training had ended", file=sys.stderr)
                end["status"] = "finished"
                return
            bring_back_cache(spec["dataset"]["id"], results, arguments.threads, live.wait)
            device = take_device(arguments, arguments.cell, live.wait)
            live.report(device.event)
            from transfergrid.evaluation.predict import score_cell  # imports torch

            if can_make(spec, results):
                ensure_features(spec, results, device.kind, tell=live.wait, scoring=True)
            score_cell(spec, results, device.kind, watcher=Watcher(live.report))
            end["status"] = "finished"


def say_waiting(seconds: float) -> None:
    """Say that another cell's job is looking whether to train this one."""
    say(f"waiting for another cell's job: {seconds:.0f} s so far")


if __name__ == "__main__":
    run_program(main)
