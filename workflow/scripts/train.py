"""Train one cell: everything is read from its spec.json."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from device_job import add_device_arguments, bring_back_cache, take_device

from transfergrid.evaluation import ahead
from transfergrid.planning.fingerprint import (
    cell_modules,
    check_plugins,
    check_unchanged,
    code_files,
    prepare_fingerprint,
    stage_fingerprint,
)
from transfergrid.planning.paths import cache_directory
from transfergrid.planning.records import read_spec
from transfergrid.runtime.atomic import write_bytes
from transfergrid.runtime.environment import environment_record
from transfergrid.runtime.live import Live
from transfergrid.runtime.locks import exclusive
from transfergrid.runtime.program import run_program, stop_on_signals
from transfergrid.runtime.watcher import Watcher

SCORING_THREADS = 1
"""As many as the rule `evaluate` has: their number may decide a last bit."""


def modules_behind(spec: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Return the modules of the stages whose code is still what the specification names."""
    kind = spec["dataset"]["kind"]
    current = {
        "prepare": prepare_fingerprint(kind),
        **{stage: stage_fingerprint(stage) for stage in ("weights", "train")},
    }
    modules = cell_modules(kind)
    return {stage: modules[stage] for stage in modules if current[stage] == spec["code"][stage]}


def main() -> None:
    """Bring back missing inputs, then train under the cell's lock."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", type=Path, required=True, help="results/cells/<cell>/spec.json")
    add_device_arguments(parser)
    arguments = parser.parse_args()
    spec = read_spec(arguments.spec)
    check_unchanged("train", spec["code"]["train"])
    check_plugins(spec)
    folder, results = arguments.spec.parent, arguments.spec.parents[2]
    with exclusive(
        folder / ".lock", f"cell {folder.name} is being trained by another process; wait for it."
    ):
        live = Live(folder, "train")
        with live.account() as end:
            bring_back_cache(spec["dataset"]["id"], results, arguments.threads, live.wait)
            # The cell keeps its data's card: caches may go, and every number needs its notes.
            card = cache_directory(spec["dataset"]["id"], results) / "card.json"
            write_bytes(folder / "card.json", card.read_bytes())
            # Until here nothing is lost by ending at once.
            stop = stop_on_signals()
            end["status"] = run(spec, results, arguments, live, Watcher(live.report, stop))


def run(
    spec: dict[str, Any],
    results: Path,
    arguments: argparse.Namespace,
    live: Live,
    watcher: Watcher,
) -> str:
    """Train on a GPU or the CPU, and score with all that is at hand then; return the status."""
    cell = arguments.spec.parent.name
    device = take_device(arguments, cell, live.wait, watcher.check)
    # Now, not when training has ended: files that are edited meanwhile are not what is loaded.
    code = stage_fingerprint("evaluate")
    import torch

    from transfergrid.evaluation.predict import score_cell
    from transfergrid.models.rebuild import ensure_weights
    from transfergrid.training.loop import train

    if spec["weights"]["id"]:
        ensure_weights(spec["weights"]["id"], results)
    if device.kind == "cpu" and arguments.gpus:
        watcher.say("torch sees no GPU: training on the CPU")
    watcher.report(device.event)
    record = train(
        spec,
        results,
        device.kind,
        arguments.threads,
        {**environment_record(code_files()), "modules": modules_behind(spec)},
        watcher,
        fresh=bool(os.environ.get("TRANSFERGRID_FRESH")),
    )
    watcher.say(f"{record['status']}: {cell}")
    # The test images are opened here for the first time: the checkpoints are settled.
    if record["status"] == "finished" and spec["recipe"]["keep_checkpoints"]:
        torch.set_num_threads(SCORING_THREADS)
        live.start("evaluate")
        into = ahead.begin(arguments.spec.parent)
        try:
            score_cell(spec, results, device.kind, watcher=watcher, into=into)
            ahead.sign(arguments.spec.parent, code)
        except Exception as error:  # the job that scores will meet it, and say what it is
            ahead.clear(arguments.spec.parent)
            watcher.say(f"not scored yet ({error or 'stopped'}): a job of its own does that")
    return str(record["status"])


if __name__ == "__main__":
    run_program(main)
