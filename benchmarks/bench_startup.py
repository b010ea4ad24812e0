"""From the start of a training job to its first optimiser step and its end, against imports.

The job is what the rule `train` runs: it plans nothing, checks its specification and the code,
opens the cache, builds a network with weights from its seed, trains (here two steps), validates,
scores and writes. It looks for garbage rarely, and so does the row of imports that says so. The
first optimiser of any process imports torch._dynamo; the last row has it too. The others end after
their line; but Python takes its time to end.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median

from common import environment, heading, parse, row, table
from made_training import clear, write_cells

from transfergrid.planning.naming import cell_name
from transfergrid.planning.paths import PROJECT
from transfergrid.runtime.atomic import write_json

JOB = """
import os, runpy, sys, time
from transfergrid.runtime import program
def first(*_):
    hook.remove()
    print("first step", time.time(), flush=True)
def hooked(main):
    def both():
        global hook
        from torch.optim.optimizer import register_optimizer_step_post_hook
        hook = register_optimizer_step_post_hook(first)
        main()
    run(both)
run, program.run_program = program.run_program, hooked
sys.argv = sys.argv[1:]
sys.path.insert(0, os.path.dirname(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name="__main__")
"""
IMPORTS = "import torch, timm, time; print('first step', time.time())"
RARELY = "from transfergrid.runtime.program import collect_rarely; collect_rarely()\n"
OPTIMISER = """
import torch, timm, time
weight = torch.zeros(1, requires_grad=True)
optimizer = torch.optim.AdamW([weight])
weight.sum().backward()
optimizer.step()
print("first step", time.time())
"""


def until(command: Sequence[str | Path]) -> tuple[float, float]:
    """Return the seconds until a program says that its first step is done, and to its end."""
    start = time.time()
    words = [sys.executable, "-c", *map(str, command)]
    done = subprocess.run(words, env=environment(), capture_output=True, text=True)
    end = time.time()
    lines = [line for line in done.stdout.splitlines() if line.startswith("first step")]
    if done.returncode or not lines:
        raise SystemExit(done.stderr[-4000:])
    return float(lines[-1].split()[2]) - start, end - start


def main(words: Sequence[str] | None = None) -> None:
    arguments = parse(__doc__, words, runs=5)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        films = {
            **{"kind": "phantom", "patients": 60, "valid_patients": 40, "test_patients": 40},
            **{"image_px": 64, "score_tasks": ["cardiomegaly"]},
        }
        recipe = {"epochs": 1, "batch_size": 32, "train_count": 64}
        (spec,) = write_cells(folder, ["lcnet_050"], {"films": films}, **recipe).values()
        path = folder / "results" / "cells" / cell_name(spec) / "spec.json"

        def job() -> tuple[float, float]:
            clear(folder)
            write_json(path, spec)
            program = PROJECT / "workflow" / "scripts" / "train.py"
            return until([JOB, program, "--spec", path, "--gpus", "0"])

        calls: dict[str, Callable[[], tuple[float, float]]] = {
            "a training job": job,
            "import torch, timm": partial(until, [IMPORTS]),
            "import torch, timm, garbage as in the job": partial(until, [RARELY + IMPORTS]),
            "the same, a step of AdamW on one number": partial(until, [RARELY + OPTIMISER]),
        }
        heading("Start-up", f"Each in a process of its own; runs: {arguments.runs}.")
        found: dict[str, list[tuple[float, float]]] = {what: [] for what in calls}
        for _ in range(arguments.runs):
            for what, call in calls.items():
                found[what].append(call())
    table(("what", "first step, s", "job less this, s", "end, s"))
    took = {
        what: [median(part) for part in zip(*runs, strict=True)] for what, runs in found.items()
    }
    ours = next(iter(took.values()))
    for what, (step, end) in took.items():
        row(what, step, ours[0] - step, end)


if __name__ == "__main__":
    main()
