"""A study of thousands of cells with made-up results.

Nothing is trained: the files are those of a finished run, with scores and ensembles that the
library itself writes, and times in the order of the rules, so that Snakemake finds nothing to do.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from transfergrid.catalog.stages import STAGES
from transfergrid.evaluation.ensemble import choose_checkpoints, ensemble, write_ensemble
from transfergrid.evaluation.scores import Scores, write_scores
from transfergrid.metrics.estimate import Estimator
from transfergrid.planning.cells import Cell
from transfergrid.planning.gathered import GATHERED, write_gathered
from transfergrid.planning.metrics import built_in, trained_by
from transfergrid.planning.outputs import files_of, shard_mark
from transfergrid.planning.plan import Plan, plan_run
from transfergrid.planning.planned import PlannedStudy
from transfergrid.runtime.hashing import canonical_json, sha256_file
from transfergrid.runtime.sealed import read_sealed, write_sealed

NETWORKS = ["lcnet_050", "mobilenetv3_small_050"]
SELECTIONS = ("top10", "last")
STUDY = "grid"
CHECKPOINTS, IMAGES = 10, 500
VARIANTS = 16
"""Cells whose scores are drawn; the others' are copies of theirs."""


def study(cells: int, chained: bool = True) -> dict[str, Any]:
    """Return a study of `cells` cells, a multiple of ten.

    With `chained`, four in ten start from two others, which are in the grid as well; without, no
    cell waits for another.
    """
    films = {
        "datasets": ["films"],
        "architectures": NETWORKS,
        "pretrainings": ["random", "textures"] if chained else ["random"],
        "truncations": [0, 1] if chained else [0, 1, 2, 3, 4],
        "protocols": ["finetune"],
        "seeds": list(range(cells // 10)),
    }
    sources = {
        **films,
        "datasets": ["textures"],
        "pretrainings": ["random"],
        "truncations": [0],
        "protocols": ["source"],
    }
    return {
        "name": STUDY,
        "device": "cpu",
        "datasets": {
            "films": {"kind": "phantom", "image_px": 64, "tasks": 14},
            "textures": {"kind": "phantom", "set": "shapes", "image_px": 64},
        },
        "pretrainings": {
            "random": {"kind": "random"},
            "textures": {"kind": "cell", "dataset": "textures", "protocol": "source"},
        },
        "recipe": {"keep_checkpoints": CHECKPOINTS},
        "protocols": {"finetune": {}, "source": {"epochs": 2}},
        "grid": [films, sources] if chained else [films],
        "evaluation": {"selections": list(SELECTIONS)},
        "questions": [{"name": "cut", "kind": "contrast", "axis": "truncation", "baseline": 0}],
    }


def write_study(folder: Path, cells: int, chained: bool = True) -> Plan:
    """Write study.yaml and return its plan."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(study(cells, chained)), encoding="utf-8")
    return plan_run([path], {})


@dataclass(frozen=True)
class Made:
    """Files of one made-up cell that others copy: the sizes are real, the numbers drawn."""

    card: Mapping[str, Any]
    scores: Mapping[str, Path]
    ensembles: Mapping[str, Mapping[str, Path]]

    @cached_property
    def receipt(self) -> dict[str, str]:
        """SHA-256 of the scores, by their names in a cell's folder."""
        return {f"scores/{split}.npz": sha256_file(path) for split, path in self.scores.items()}


def write_results(folder: Path, plan: Plan) -> None:
    """Write results/ as a finished run leaves it, oldest files first by their times."""
    results = folder / "results"

    @cache
    def drawn(dataset: str, number: int) -> Made:
        tasks = {"films": 14, "textures": 8}[dataset]
        return _draw(folder / "drawn" / f"{dataset}{number}", tasks, number)

    for stamp, content in plan.stamps.items():
        _put(results / "stamps" / stamp, canonical_json(content))
    write_receipts(folder, plan)
    for number, cell in enumerate(plan.cells.values()):
        _write_cell(results, cell, drawn(cell.point.dataset, number % VARIANTS))
    (planned,) = plan.studies.values()
    for path in _files_of_study(planned):
        _put(results / path, "made up\n")
    write_gathered(planned.entries, results / STUDY)
    set_times(folder)


def write_receipts(folder: Path, plan: Plan) -> None:
    """Write what specifications wait for where no cell waits for another."""
    for dataset in {cell.dataset_id for cell in plan.cells.values()}:
        _put(folder / "results" / "cache" / dataset / "receipt.json", "{}\n")


def _files_of_study(study: PlannedStudy) -> list[str]:
    """Return what the stages of a whole study make, except what holds its cells."""
    whole = [stage for stage in study.stages if stage.per == "study"]
    made = [name for stage in whole for name in files_of(study.name, stage)]
    made += [shard_mark(study, shard) for shard in study.shards]
    return [name for name in made if not name.endswith(GATHERED)]


def _write_cell(results: Path, cell: Cell, made: Made) -> None:
    folder = results / "cells" / cell.name
    _put(folder / "spec.json", cell.spec)
    record = {
        "cell": cell.name,
        "status": "finished",
        "micro_batch": 32,
        "train_seconds": 60.0 + cell.point.seed,
        "images_per_second": 800.0,
        "peak_memory_mb": 400.0,
        "device": "cpu",
    }
    _put(folder / "card.json", json.dumps(made.card))
    _put(folder / "proof.json", "{}\n")
    write_sealed(folder / "train.json", record)
    write_history(folder, "")
    _put(folder / "receipts" / "train.json", "{}\n")
    (folder / "scores").mkdir(exist_ok=True)
    for split, path in made.scores.items():
        # Links: 5,000 copies would be 4 GB. Tables read one kind of file only, so those are copies.
        _link(path, folder / "scores" / f"{split}.npz")
    write_sealed(folder / "receipts" / "evaluate.json", {"files": made.receipt})
    for selection, paths in made.ensembles.items():
        place = results / STUDY / "ensemble" / cell.name / selection
        place.mkdir(parents=True, exist_ok=True)
        _link(paths["valid"], place / "valid.parquet")
        shutil.copyfile(paths["test"], place / "test.parquet")


def write_history(folder: Path, text: str) -> None:
    """Write a cell's history.jsonl, and train.json as it speaks of what lies beside it."""
    _put(folder / "history.jsonl", text)
    told = ("spec.json", "card.json", "proof.json", "history.jsonl")
    files = {name: sha256_file(folder / name) for name in told}
    write_sealed(folder / "train.json", {**read_sealed(folder / "train.json"), "files": files})


def _draw(folder: Path, tasks: int, seed: int) -> Made:
    """Draw scores of one cell, and have the library make its ensembles."""
    rng = np.random.default_rng([tasks, seed])
    names = np.array([f"finding_{t}" for t in range(tasks)])
    scores = {}
    for split in ("valid", "test"):
        truth = np.random.default_rng(tasks)  # the same studies for every cell
        labels = (truth.random((IMAGES, tasks)) < 0.25).astype(np.float32)
        labels[truth.random(labels.shape) < 0.05] = np.nan
        noise = rng.normal(size=(CHECKPOINTS, IMAGES, tasks))
        scores[split] = Scores(
            logits=(np.nan_to_num(labels) * 0.8 + noise).astype(np.float32),
            labels=labels,
            image_id=np.array(
                [f"{split}/patient{n:05d}/study1/view1_frontal" for n in range(IMAGES)]
            ),
            study_id=np.array([f"{split}/patient{n:05d}/study1" for n in range(IMAGES)]),
            patient_id=np.array([f"patient{n:05d}" for n in range(IMAGES)]),
            task=names,
            step=np.arange(1, CHECKPOINTS + 1, dtype=np.int64),
            valid_score=rng.random(CHECKPOINTS),
            task_kind="multilabel",
            aggregate="max",
        )
        write_scores(folder / f"{split}.npz", scores[split])
    ensembles: dict[str, dict[str, Path]] = {}
    metric = Estimator.of(trained_by(built_in("auroc")))
    for selection in SELECTIONS:
        chosen = choose_checkpoints(selection, scores["valid"], metric)
        for split, table in scores.items():
            path = folder / selection / f"{split}.parquet"
            write_ensemble(path, ensemble(table, chosen))
            ensembles.setdefault(selection, {})[split] = path
    card = {
        "dataset": "films" if tasks == 14 else "textures",
        "kind": "phantom",
        "task_kind": "multilabel",
        "score_tasks": list(map(str, names[:5])),
        "tasks": list(map(str, names)),
        "synthetic": True,
        "patients": "known",
        "studies": "known",
        "image_px": 64,
        "resize": "crop",
        "channels": 1,
        "aggregate": "max",
        "splits": dict.fromkeys(("train", "valid", "test"), _counts(names)),
        "content_sha256": "0" * 64,
        "notes": [],
    }
    return Made(card, {s: folder / f"{s}.npz" for s in scores}, ensembles)


def _counts(tasks: np.ndarray) -> dict[str, Any]:
    ones = dict.fromkeys(map(str, tasks), IMAGES // 4)
    sizes = {"images": IMAGES, "studies": IMAGES, "patients": IMAGES}
    none = dict.fromkeys(ones, 0)
    rest = dict.fromkeys(ones, IMAGES - IMAGES // 4)
    return {**sizes, "positives": ones, "negatives": rest, "soft": none, "unknown": none}


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _link(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    os.link(source, target)


def set_times(folder: Path) -> None:
    """Give every file the time of its stage: as if stages had run an hour apart, last one now.

    A file that two stages' patterns match belongs to the earlier one.
    """
    results = folder / "results"
    # What only brings back a file that was lost has a pattern of files of others.
    made = [stage for stage in STAGES if stage.code or stage.name == "spec"]
    patterns = [re.sub(r"{\w+}", "*", " ".join(stage.files)).split() for stage in made]
    latest = time.time()
    for age, globs in enumerate(reversed([["stamps/*"], *patterns])):
        when = latest - 3600 * age
        for pattern in globs:
            for path in results.glob(pattern):
                os.utime(path, (when, when))
