"""Train one cell, for which everything is read from its spec.json; then go on with a few others."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from device_job import add_device_arguments, bring_back_cache, say, take_device
from going_on import Worker, go_on, runs_plugin

from transfergrid.evaluation.rebuild import ensure_features, hold_features
from transfergrid.planning.cards import cells_card
from transfergrid.planning.fingerprint import code_files, current_modules
from transfergrid.planning.naming import fold_of
from transfergrid.planning.neighbours import NOTES, read_neighbours
from transfergrid.planning.paths import cache_directory
from transfergrid.planning.records import AHEAD_LOCK, LOCK, read_spec
from transfergrid.planning.unchanged import hold_cell, hold_stage
from transfergrid.runtime.atomic import write_bytes
from transfergrid.runtime.environment import environment_record
from transfergrid.runtime.live import Live
from transfergrid.runtime.locks import exclusive_after
from transfergrid.runtime.program import run_program, stop_on_signals
from transfergrid.runtime.watcher import Watcher


def main() -> None:
    """Publish what was trained before, or train under the cell's lock and go on with others."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", type=Path, required=True, help="results/cells/<cell>/spec.json")
    add_device_arguments(parser)
    arguments = parser.parse_args()
    spec = read_spec(arguments.spec)
    hold_stage("train", spec["code"]["train"])
    hold_code(spec)
    scoring = hold_stage("evaluate")
    from transfergrid.training.finished import restore_trained  # what is imported is what was held

    folder, results = arguments.spec.parent, arguments.spec.parents[2]
    fresh = bool(os.environ.get("TRANSFERGRID_FRESH"))
    busy = f"cell {folder.name} is being trained by another process; wait for it."
    with exclusive_after(folder / LOCK, folder / AHEAD_LOCK, busy, say_waiting):
        done = None if fresh else restore_trained(spec, results)
        if done is not None:
            say(f"{done['status']}: {folder.name}, trained before, and its files are as they were")
            return
        worker, took = train_own(spec, results, arguments, scoring)
    if not (fresh or runs_plugin(spec)):
        go_on(worker, read_neighbours(spec, NOTES), took, say)


def hold_code(spec: Mapping[str, Any]) -> None:
    """Hold what a cell's specification names beside the stage that trains."""
    hold_cell(spec)
    hold_features(spec)


def say_waiting(seconds: float) -> None:
    """Say that another cell's job is training this one ahead."""
    say(f"waiting for another cell's job, which is training this cell: {seconds:.0f} s so far")


def train_own(
    spec: Mapping[str, Any],
    results: Path,
    arguments: argparse.Namespace,
    scoring: str,
) -> tuple[Worker, float]:
    """Bring back missing inputs and train; return this process, and the seconds training took."""
    folder = arguments.spec.parent
    live = Live(folder, "train")
    with live.account() as end:
        bring_back_cache(spec["dataset"]["id"], results, arguments.threads, live.wait)
        # The cell keeps its data's card: caches may go, and every number needs its notes.
        card = cache_directory(spec["dataset"]["id"], results) / "card.json"
        write_bytes(folder / "card.json", cells_card(card.read_bytes(), fold_of(spec)))
        # Until here nothing is lost by ending at once.
        stop = stop_on_signals()
        watcher = Watcher(live.report, stop)
        device = take_device(arguments, folder.name, live.wait, watcher.check)
        worker = Worker(
            cell=folder.name,
            spec=spec,
            results=results,
            device=device.kind,
            event=device.event,
            threads=arguments.threads,
            scoring=scoring,
            environment=environment_of,
            hold=hold_code,
            stop=stop,
        )
        began = time.monotonic()
        end["status"] = run(worker, live, watcher, bool(arguments.gpus))
    return worker, time.monotonic() - began


def run(worker: Worker, live: Live, watcher: Watcher, asked: bool) -> str:
    """Train on a GPU or the CPU, and score with what is then at hand; return the status.

    Args:
        worker: This process.
        live: The account of its own cell.
        watcher: Is told of progress, and may stop the training.
        asked: Whether a GPU was asked for.
    """
    # Late, because torch is to see one GPU; what is imported is what was held.
    from transfergrid.evaluation.ahead import score_ahead
    from transfergrid.models.rebuild import ensure_weights
    from transfergrid.training.loop import train

    spec, results, device = worker.spec, worker.results, worker.device
    if spec["weights"]["id"]:
        ensure_weights(spec["weights"]["id"], results)
    if device == "cpu" and asked:
        watcher.say("torch sees no GPU: training on the CPU")
    watcher.report(worker.event)
    ensure_features(spec, results, device, watcher.check, live.wait)
    record = train(
        spec,
        results,
        device,
        worker.threads,
        environment_of(spec),
        watcher,
        fresh=True,  # whether it was trained before has been seen
    )
    watcher.say(f"{record['status']}: {worker.cell}")
    # The test images are opened here for the first time: the checkpoints are settled.
    if record["status"] == "finished" and spec["recipe"]["keep_checkpoints"]:
        live.start("evaluate")
        score_ahead(spec, results, device, watcher, worker.scoring, worker.threads)
    return str(record["status"])


def environment_of(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return what train.json says about what ran a training."""
    modules = current_modules(spec["dataset"]["kind"], spec["code"])
    return {**environment_record(code_files()), "modules": modules}


if __name__ == "__main__":
    run_program(main)
