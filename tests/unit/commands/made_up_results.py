"""A small planned study, and results for it that nobody trained."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from small_study import SMALL

from transfergrid.planning.cells import CellTuning
from transfergrid.planning.outputs import files_of
from transfergrid.planning.plan import Plan, plan_run
from transfergrid.planning.states import State
from transfergrid.planning.study import merge
from transfergrid.planning.weighings import Weighing


def plan(folder: Path, changes: Mapping[str, Any] | None = None, name: str = "study.yaml") -> Plan:
    """Plan the study with changes laid over it, from a file in `folder`."""
    path = folder / name
    path.write_text(yaml.safe_dump(merge(copy.deepcopy(SMALL), changes or {})))
    return plan_run([path], {})


def finish(
    planned: Plan,
    results: Path,
    names: Iterable[str] | None = None,
    record: Mapping[str, Any] | None = None,
) -> None:
    """Write what a finished run has of some cells (all if None), stamps first."""
    for stamp, content in planned.stamps.items():
        write(results / "stamps" / stamp, content)
    for cell in planned.cells.values():
        write(results / "cache" / cell.dataset_id / "receipt.json", {})
        write(results / "cache" / cell.dataset_id / "card.json", CARD)
    for name in planned.cells if names is None else names:
        train(planned, results, name, record)
        if not planned.cells[name].trial:
            score(results, name, (record or {}).get("status", "finished"))
    for tuning in planned.tunings.values():
        tune(results, tuning)


def finish_stored(planned: Plan, stored: Iterable[State | Weighing], results: Path) -> None:
    """Write what a finished run of one study has that stores something of networks, oldest first.

    Args:
        planned: The plan.
        stored: All that is stored.
        results: The folder of results.
    """
    finish(planned, results)
    (study,) = planned.studies.values()
    paths = [results / "stamps" / stamp for stamp in planned.stamps]
    receipts = [results / "cells" / cell / "receipts" for cell in planned.cells]
    paths += [folder / name for folder in receipts for name in ("train.json", "evaluate.json")]
    for one in stored:
        write(results / one.mark, {"files": {}})
        paths.append(results / one.mark)
    for stage in study.stages:
        if stage.per == "study":
            for name in files_of(study.name, stage):
                write(results / name, {})
                paths.append(results / name)
    for time, path in enumerate(paths, 1_000):
        os.utime(path, (time, time))


def tune(results: Path, tuning: CellTuning) -> None:
    """Write what a choice of a learning rate leaves, the lowest one chosen."""
    trials = {repr(rate): {"cell": cell} for rate, cell in tuning.trials.items()}
    content = {"trials": trials, "learning_rate": min(tuning.trials), "at_edge": True}
    write(results / "tuning" / tuning.id / "tuning.json", content)


TUNE = {"learning_rates": [1e-4, 1e-3], "epochs": 0.5, "holdout": 0.2}
TUNED: dict[str, Any] = {
    "protocols": {"finetune": {"tune": TUNE}},
    "grid": [{**SMALL["grid"][0], "truncations": [0], "seeds": [0, 1]}],
}
"""Changes that tune: four cells, two trials for each of two initial weights, a source a seed."""

CARD = {
    "splits": {"train": {"images": 93}, "valid": {"images": 45}, "test": {"images": 50}},
    "tasks": [f"task_{number}" for number in range(14)],
}
RECORD = {
    "status": "finished",
    "images_per_second": 400.0,
    "device": "cpu",
    "precision": "fp32",
    "environment": {"packages": {}},
}


def train(planned: Plan, results: Path, name: str, record: Mapping[str, Any] | None = None) -> None:
    """Write what training leaves of a cell."""
    folder = results / "cells" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spec.json").write_text(planned.cells[name].spec)
    write(folder / "card.json", CARD)
    write(folder / "proof.json", {})
    (folder / "history.jsonl").write_text("")
    write(folder / "checkpoints" / "index.json", {"checkpoints": []})
    (folder / "checkpoints" / "step-00000012.safetensors").write_bytes(b"x" * 1000)
    write(folder / "train.json", {**RECORD, **(record or {})})
    write(folder / "receipts" / "train.json", {"status": "finished"})


def score(results: Path, name: str, status: str = "finished") -> None:
    """Write what evaluation leaves of a cell."""
    folder = results / "cells" / name
    for split in ("valid", "test"):
        (folder / "scores").mkdir(exist_ok=True)
        (folder / "scores" / f"{split}.npz").write_bytes(b"scores")
    write(folder / "receipts" / "evaluate.json", {"status": status})


def write(path: Path, content: Any) -> None:
    """Write JSON, as the project's programs do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
