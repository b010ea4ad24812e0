"""Score every kept checkpoint of one cell on the validation and the test images."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from transfergrid.planning.fingerprint import check_plugins, read_stamp
from transfergrid.planning.paths import cell_directory
from transfergrid.runtime.atomic import read_json
from transfergrid.runtime.errors import run_program
from transfergrid.runtime.locks import exclusive


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
        import torch  # a second; not before the checks

        from transfergrid.data.rebuild import ensure_cache
        from transfergrid.evaluation.predict import score_cell
        from transfergrid.runtime.devices import choose_device

        torch.set_num_threads(arguments.threads)
        ensure_cache(spec["dataset"]["id"], results, arguments.threads)
        device = choose_device(arguments.gpus, torch.cuda.is_available(), arguments.device)
        score_cell(spec, results, device)


if __name__ == "__main__":
    run_program(main)
