"""The demo, end to end, against the pure training time of its cells.

All of it is run in a new folder with the environment made: two data sets, all trainings, scores,
ensembles, tables, statistics, figures, page. The bound is the sum of the cells' training times
(steps, validations, checkpoints; from train.json) divided by the number of cores: what the
trainings alone would take if they filled every core.

--before names a checkout of another build, and the two take turns. What the processor did is told
by program; that of `train` includes the trainings and the scoring that follows them.
"""

from __future__ import annotations

import argparse
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


def demo(project: Path, folder: Path, cores: int, quick: bool) -> Cost:
    command = [sys.executable, "-m", "snakemake", "--snakefile", project / "Snakefile"]
    command += ["--directory", folder, "--cores", str(cores)]
    command += ["--configfile", small(folder / "small.yaml") if quick else project / "config.yaml"]
    variables = {"PYTHONPATH": str(project / "src")}
    return run([*command, *["--until", "train"] * quick], folder, variables)


def training_seconds(folder: Path) -> list[float]:
    """Return what train.json tells of each cell."""
    records = (folder / "results" / "cells").glob("*/train.json")
    return [json.loads(path.read_text(encoding="utf-8"))["train_seconds"] for path in records]


def told(cost: Cost) -> dict[str, float]:
    """Return seconds of the processor by program, most first."""
    parts = {**cost.programs, "snakemake": cost.own}
    parts["ends, and what was too short to see"] = cost.cpu - sum(parts.values())
    return dict(sorted(parts.items(), key=lambda part: -part[1]))


def main(words: Sequence[str] | None = None) -> None:
    def more(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--before", type=Path, help="a checkout of the build to compare with")

    arguments = parse(__doc__, words, runs=1, more=more)
    cores = os.cpu_count() or 1
    builds = {"this": PROJECT} | (
        {"before": arguments.before.resolve()} if arguments.before else {}
    )
    heading("The demo, end to end", f"{cores} cores.")
    table(("build", "cells", "all, s", "processor, s", "training / cores, s", "ratio"))
    spent: dict[str, dict[str, float]] = {}
    for _ in range(arguments.runs):
        for name, project in builds.items():
            with tempfile.TemporaryDirectory() as folder:
                cost = demo(project, Path(folder), cores, arguments.quick)
                trained = training_seconds(Path(folder))
            bound = sum(trained) / cores
            row(name, len(trained), cost.wall, cost.cpu, bound, cost.wall / bound)
            spent[name] = told(cost)
    print()
    table(("what the processor did, last run", *(f"{name}, s" for name in spent)))
    for what in dict.fromkeys(what for parts in spent.values() for what in parts):
        row(what, *(parts.get(what) for parts in spent.values()))


if __name__ == "__main__":
    main()
