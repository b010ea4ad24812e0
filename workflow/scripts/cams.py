"""Make the class activation maps of one cell's best checkpoint on test images."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from transfergrid.data.rebuild import ensure_cache
from transfergrid.planning.fingerprint import check_plugins, read_stamp
from transfergrid.planning.paths import cell_directory
from transfergrid.runtime.atomic import read_json
from transfergrid.runtime.devices import choose_device
from transfergrid.runtime.heartbeat import heartbeat
from transfergrid.runtime.leases import take_gpu
from transfergrid.runtime.program import run_program


def main() -> None:
    """Bring back a missing cache, then make the maps; the cell's folder is only read."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cell", required=True, help="name of the cell")
    parser.add_argument("--stamp", type=Path, required=True, help="stamp of the stage")
    parser.add_argument("--output", type=Path, required=True, help="file of maps and marks")
    parser.add_argument("--gpus", type=int, default=1, help="0 computes on the CPU")
    parser.add_argument(
        "--device", choices=["auto", "cuda"], default="auto", help="cuda: GPU or fail"
    )
    parser.add_argument("--threads", type=int, default=1, help="threads of the CPU's kernels")
    arguments = parser.parse_args()
    settings = read_stamp(arguments.stamp, "cams")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    results = arguments.stamp.parents[1]
    spec = read_json(cell_directory(arguments.cell, results) / "spec.json")
    check_plugins(spec)
    with heartbeat("preparing the data set", every=30):
        ensure_cache(spec["dataset"]["id"], results, arguments.threads)
    lease = take_gpu(arguments.gpus, lambda text: print(text, file=sys.stderr), arguments.cell)
    import torch  # after the lease, which says what it may see

    from transfergrid.evaluation.cam import cam_cell
    from transfergrid.evaluation.cam_record import write_record

    torch.set_num_threads(arguments.threads)
    device = choose_device(arguments.gpus, torch.cuda.is_available(), arguments.device)
    print(f"on {lease.uuid if lease else device}", file=sys.stderr)
    with heartbeat("mapping"):
        write_record(arguments.output, cam_cell(spec, results, settings, device))


if __name__ == "__main__":
    run_program(main)
