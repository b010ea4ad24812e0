"""From the start of a training job to its first optimiser step, against importing what it needs.

The job is what the rule `train` runs: it plans nothing, checks its specification and the code,
opens the cache, builds a network with weights from its seed, and trains. The first optimiser of any
process imports torch._dynamo; the third row has it too, and is what no training can be faster than.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from common import alternate, environment, heading, parse, row, table
from made_training import clear, write_cells

from transfergrid.planning.naming import cell_name
from transfergrid.planning.paths import PROJECT
from transfergrid.runtime.atomic import write_json

JOB = """
import os, runpy, sys, time
from torch.optim.optimizer import register_optimizer_step_post_hook
def stop(*_):
    print("first step", time.time(), flush=True)
    os._exit(0)
register_optimizer_step_post_hook(stop)
sys.argv = sys.argv[1:]
sys.path.insert(0, os.path.dirname(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name="__main__")
"""
IMPORTS = "import torch, timm, time; print('first step', time.time())"
OPTIMISER = """
import torch, timm, time
weight = torch.zeros(1, requires_grad=True)
optimizer = torch.optim.AdamW([weight])
weight.sum().backward()
optimizer.step()
print("first step", time.time())
"""


def until(command: Sequence[str | Path]) -> float:
    """Return the seconds until a program says that its first step is done."""
    start = time.time()
    words = [sys.executable, "-c", *map(str, command)]
    done = subprocess.run(words, env=environment(), capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("first step")]
    if not lines:
        raise SystemExit(done.stderr[-4000:])
    return float(lines[-1].split()[2]) - start


def main(words: Sequence[str] | None = None) -> None:
    arguments = parse(__doc__, words, runs=5)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        films = {
            **{"kind": "phantom", "patients": 40, "valid_patients": 40, "test_patients": 40},
            **{"image_px": 64, "score_tasks": ["cardiomegaly"]},
        }
        (spec,) = write_cells(folder, ["lcnet_050"], {"films": films}).values()
        path = folder / "results" / "cells" / cell_name(spec) / "spec.json"

        def job() -> float:
            clear(folder)
            write_json(path, spec)
            program = PROJECT / "workflow" / "scripts" / "train.py"
            return until([JOB, program, "--spec", path, "--gpus", "0"])

        calls: dict[str, Callable[[], float]] = {
            "a training job, until its first step": job,
            "import torch, timm": partial(until, [IMPORTS]),
            "import torch, timm; a step of AdamW on one number": partial(until, [OPTIMISER]),
        }
        found = alternate(calls, arguments.runs)
    heading("Start-up", "Each in a process of its own.")
    table(("what", "s", "job less this, s"))
    ours = next(iter(found.values()))
    for what, took in found.items():
        row(what, took, ours - took)


if __name__ == "__main__":
    main()
