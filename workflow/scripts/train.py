"""Train one cell: everything is read from its spec.json."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from transfergrid.data.rebuild import ensure_cache
from transfergrid.planning.fingerprint import (
    cell_modules,
    check_plugins,
    check_unchanged,
    prepare_fingerprint,
    stage_fingerprint,
)
from transfergrid.planning.naming import cell_name
from transfergrid.planning.paths import cache_directory
from transfergrid.runtime.atomic import read_json, write_bytes
from transfergrid.runtime.devices import choose_device
from transfergrid.runtime.environment import environment_record
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.heartbeat import heartbeat
from transfergrid.runtime.leases import take_gpu
from transfergrid.runtime.live import Live
from transfergrid.runtime.locks import exclusive
from transfergrid.runtime.program import run_program, stop_on_signals
from transfergrid.runtime.watcher import Watcher


def read_spec(path: Path) -> dict[str, Any]:
    """Read a specification; its content must be what its folder's name promises."""
    spec: dict[str, Any] = read_json(path)
    if cell_name(spec) != path.parent.name:
        raise UserError(
            f"{path} describes cell {cell_name(spec)}, not {path.parent.name}; it was edited: "
            "delete the folder and run snakemake again."
        )
    return spec


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
    parser.add_argument("--gpus", type=int, default=1, help="0 trains on the CPU")
    parser.add_argument(
        "--device", choices=["auto", "cuda"], default="auto", help="cuda: GPU or fail"
    )
    parser.add_argument("--threads", type=int, default=1, help="threads of the CPU's kernels")
    arguments = parser.parse_args()
    spec = read_spec(arguments.spec)
    check_unchanged("train", spec["code"]["train"])
    check_plugins(spec)
    # Everything that may need a network ran before; a job on a compute node must not hang on one.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    folder, results = arguments.spec.parent, arguments.spec.parents[2]
    with exclusive(
        folder / ".lock", f"cell {folder.name} is being trained by another process; wait for it."
    ):
        live = Live(folder, "train")
        with live.account() as end:
            with heartbeat("preparing the data set", every=30, tell=live.wait):
                ensure_cache(spec["dataset"]["id"], results, arguments.threads)
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
    """Train on a GPU or the CPU; return the status."""
    lease = take_gpu(
        arguments.gpus,
        live.wait,
        arguments.spec.parent.name,
        watcher.check,
    )
    import torch  # after the lease, which says what it may see

    from transfergrid.models.rebuild import ensure_weights
    from transfergrid.training.loop import train

    if spec["weights"]["id"]:
        ensure_weights(spec["weights"]["id"], results)
    device = choose_device(arguments.gpus, torch.cuda.is_available(), arguments.device)
    if device == "cpu" and arguments.gpus:
        watcher.say("torch sees no GPU: training on the CPU")
    name = torch.cuda.get_device_name() if device == "cuda" else device
    watcher.report({"event": "device", "device": name, "lease": lease and lease.uuid})
    record = train(
        spec,
        results,
        device,
        arguments.threads,
        {**environment_record(), "modules": modules_behind(spec)},
        watcher,
        fresh=bool(os.environ.get("TRANSFERGRID_FRESH")),
    )
    watcher.say(f"{record['status']}: {arguments.spec.parent.name}")
    return str(record["status"])


if __name__ == "__main__":
    run_program(main)
