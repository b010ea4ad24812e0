"""The demo, end to end, against the pure training time of its cells.

All of it is run in a new folder with the environment made: two data sets, all trainings, scores,
ensembles, tables, statistics, figures, page. The bound is the sum of the cells' training times
(steps, validations, checkpoints; from train.json) divided by the number of cores: what the
trainings alone would take if they filled every core.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import yaml
from common import Cost, heading, parse, row, run, table

from transfergrid.planning.paths import PROJECT


def small(path: Path) -> Path:
    """Write the demo's study cut down to one cell of a few films."""
    study = yaml.safe_load((PROJECT / "config.yaml").read_text(encoding="utf-8"))
    few = {"patients": 60, "valid_patients": 40, "test_patients": 40, "image_px": 32}
    study["datasets"]["phantom"] |= few | {"score_tasks": ["cardiomegaly"]}
    study["recipe"]["epochs"] = 1
    study["questions"] = []
    one = {"architectures": ["lcnet_050"], "pretrainings": ["random"], "truncations": [0]}
    study["grid"] = [study["grid"][0] | one | {"seeds": [0]}]
    path.write_text(yaml.safe_dump(study), encoding="utf-8")
    return path


def demo(folder: Path, cores: int, quick: bool) -> Cost:
    command = [sys.executable, "-m", "snakemake", "--snakefile", PROJECT / "Snakefile"]
    command += ["--directory", folder, "--cores", str(cores)]
    command += ["--configfile", small(folder / "small.yaml") if quick else PROJECT / "config.yaml"]
    return run([*command, *["--until", "train"] * quick], folder)


def training_seconds(folder: Path) -> list[float]:
    """Return what train.json tells of each cell."""
    records = (folder / "results" / "cells").glob("*/train.json")
    return [json.loads(path.read_text(encoding="utf-8"))["train_seconds"] for path in records]


def main(words: Sequence[str] | None = None) -> None:
    arguments = parse(__doc__, words, runs=1)
    cores = os.cpu_count() or 1
    heading("The demo, end to end", f"{cores} cores.")
    table(("cells", "all, s", "processor, s", "training / cores, s", "ratio"), texts=0)
    for _ in range(arguments.runs):
        with tempfile.TemporaryDirectory() as name:
            cost = demo(Path(name), cores, arguments.quick)
            trained = training_seconds(Path(name))
        bound = sum(trained) / cores
        row(len(trained), cost.wall, cost.cpu, bound, cost.wall / bound)


if __name__ == "__main__":
    main()
