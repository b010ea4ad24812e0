"""Score every kept checkpoint of one cell on the validation and the test images."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from transfergrid.data.rebuild import ensure_cache
from transfergrid.planning.fingerprint import check_plugins, read_stamp
from transfergrid.planning.paths import cell_directory
from transfergrid.runtime.atomic import read_json
from transfergrid.runtime.devices import choose_device
from transfergrid.runtime.heartbeat import heartbeat
from transfergrid.runtime.leases import take_gpu
from transfergrid.runtime.live import Live
from transfergrid.runtime.locks import exclusive
from transfergrid.runtime.program import run_program
from transfergrid.runtime.watcher import Watcher


def main() -> None:
    """Bring back a missing cache, then write the scores under the cell's lock."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cell", required=True, help="name of the cell")
    parser.add_argument("--stamp", type=Path, required=True, help="stamp of the stage")
    parser.add_argument("--gpus", type=int, default=1, help="0 scores on the CPU")
    parser.add_argument(
        "--device", choices=["auto", "cuda"], default="auto", help="cuda: GPU or fail"
    )
    parser.add_argument("--threads", type=int, default=1, help="threads of the CPU's kernels")
    arguments = parser.parse_args()
    read_stamp(arguments.stamp, "evaluate")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    results = arguments.stamp.parents[1]
    folder = cell_directory(arguments.cell, results)
    spec = read_json(folder / "spec.json")
    check_plugins(spec)
    with exclusive(
        folder / ".lock", f"cell {folder.name} is in use by another process; wait for it."
    ):
        live = Live(folder, "evaluate")
        with live.account() as end:
            with heartbeat("preparing the data set", every=30, tell=live.wait):
                ensure_cache(spec["dataset"]["id"], results, arguments.threads)
            run(spec, results, arguments, live)
            end["status"] = "finished"


def run(spec: dict[str, Any], results: Path, arguments: argparse.Namespace, live: Live) -> None:
    """Score on a GPU or the CPU."""
    lease = take_gpu(
        arguments.gpus,
        live.wait,
        arguments.cell,
    )
    import torch  # after the lease, which says what it may see

    from transfergrid.evaluation.predict import score_cell

    torch.set_num_threads(arguments.threads)
    device = choose_device(arguments.gpus, torch.cuda.is_available(), arguments.device)
    name = torch.cuda.get_device_name() if device == "cuda" else device
    live.report({"event": "device", "device": name, "lease": lease and lease.uuid})
    score_cell(spec, results, device, watcher=Watcher(live.report))


if __name__ == "__main__":
    run_program(main)
