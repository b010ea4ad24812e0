"""Train one cell: everything is read from its spec.json."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from device_job import add_device_arguments, bring_back_cache, take_device

from transfergrid.evaluation.rebuild import ensure_features, hold_features
from transfergrid.planning.cards import cells_card
from transfergrid.planning.fingerprint import code_files, current_modules
from transfergrid.planning.naming import fold_of
from transfergrid.planning.paths import cache_directory
from transfergrid.planning.records import read_spec
from transfergrid.planning.unchanged import hold_cell, hold_stage
from transfergrid.runtime.atomic import write_bytes
from transfergrid.runtime.environment import environment_record
from transfergrid.runtime.live import Live
from transfergrid.runtime.locks import exclusive
from transfergrid.runtime.program import run_program, stop_on_signals
from transfergrid.runtime.watcher import Watcher


def main() -> None:
    """Bring back missing inputs, then train under the cell's lock."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", type=Path, required=True, help="results/cells/<cell>/spec.json")
    add_device_arguments(parser)
    arguments = parser.parse_args()
    spec = read_spec(arguments.spec)
    hold_stage("train", spec["code"]["train"])
    hold_cell(spec)
    hold_features(spec)
    scoring = hold_stage("evaluate")
    folder, results = arguments.spec.parent, arguments.spec.parents[2]
    with exclusive(
        folder / ".lock", f"cell {folder.name} is being trained by another process; wait for it."
    ):
        live = Live(folder, "train")
        with live.account() as end:
            bring_back_cache(spec["dataset"]["id"], results, arguments.threads, live.wait)
            # The cell keeps its data's card: caches may go, and every number needs its notes.
            card = cache_directory(spec["dataset"]["id"], results) / "card.json"
            write_bytes(folder / "card.json", cells_card(card.read_bytes(), fold_of(spec)))
            # Until here nothing is lost by ending at once.
            stop = stop_on_signals()
            watcher = Watcher(live.report, stop)
            end["status"] = run(spec, results, arguments, live, watcher, scoring)


def run(
    spec: dict[str, Any],
    results: Path,
    arguments: argparse.Namespace,
    live: Live,
    watcher: Watcher,
    scoring: str,
) -> str:
    """Train on a GPU or the CPU, and score with what is then at hand; return the status."""
    cell = arguments.spec.parent.name
    device = take_device(arguments, cell, live.wait, watcher.check)
    # Late, because torch is to see one GPU; what is imported is what was held.
    from transfergrid.evaluation.ahead import score_ahead
    from transfergrid.models.rebuild import ensure_weights
    from transfergrid.training.loop import train

    if spec["weights"]["id"]:
        ensure_weights(spec["weights"]["id"], results)
    if device.kind == "cpu" and arguments.gpus:
        watcher.say("torch sees no GPU: training on the CPU")
    watcher.report(device.event)
    ensure_features(spec, results, device.kind, watcher.check, live.wait)
    modules = current_modules(spec["dataset"]["kind"], spec["code"])
    record = train(
        spec,
        results,
        device.kind,
        arguments.threads,
        {**environment_record(code_files()), "modules": modules},
        watcher,
        fresh=bool(os.environ.get("TRANSFERGRID_FRESH")),
    )
    watcher.say(f"{record['status']}: {cell}")
    # The test images are opened here for the first time: the checkpoints are settled.
    if record["status"] == "finished" and spec["recipe"]["keep_checkpoints"]:
        live.start("evaluate")
        score_ahead(spec, results, device.kind, watcher, scoring, arguments.threads)
    return str(record["status"])


if __name__ == "__main__":
    run_program(main)
