"""A finished study with a change made to it, and the jobs that Snakemake would then run."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from small_study import SMALL
from tests.workflow.conftest import Workspace, rule_of

from transfergrid.catalog.stages import STAGES
from transfergrid.planning.paths import PROJECT

Job = tuple[str, str]
Jobs = frozenset[Job]
WHOLE = [stage for stage in STAGES if stage.per == "study" and not stage.asked_by]
ANALYSIS = tuple(stage.name for stage in WHOLE)
"""The stages of the whole study."""
RULES = {stage.name: stage.rule_name for stage in WHOLE}

OURS: dict[str, Any] = {
    "datasets": {
        "ours": {
            "kind": "csv",
            "root": "data",
            "table": "labels.csv",
            "image_column": "image",
            "label_columns": ["finding"],
            "split": {"column": "split", "train": ["train"], "valid": ["valid"], "test": ["test"]},
            "image_px": 32,
        }
    },
    "grid": [
        *SMALL["grid"],
        {"datasets": ["ours"], "architectures": ["lcnet_050"], "pretrainings": ["random"]},
    ],
}
FILMS = {
    f"films-lcnet_050-{pretraining}-drop{k}-finetune-seed0"
    for pretraining in ("random", "textures")
    for k in (0, 1)
}
OWN = {"ours-lcnet_050-random-drop0-finetune-seed0"}
SOURCE = {"textures-lcnet_050-random-drop0-source-seed0"}
CELLS = FILMS | OWN | SOURCE


def draw_images(root: Path) -> None:
    rng = np.random.default_rng(0)
    root.mkdir()
    lines = ["image,finding,split"]
    for number in range(30):
        pixels = rng.integers(0, 256, (32, 32), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"{number}.png")
        lines.append(f"{number}.png,{number // 3 % 2},{('train', 'valid', 'test')[number % 3]}")
    (root / "labels.csv").write_text("\n".join(lines) + "\n")


@dataclass(frozen=True)
class Place:
    """A copy of the finished study and of the project, for a change to be made to."""

    workspace: Workspace

    @property
    def folder(self) -> Path:
        return self.workspace.folder

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def study(self, *changes: dict[str, Any]) -> None:
        """Write the study with changes; a later one is laid over the earlier ones."""
        merged: dict[str, Any] = dict(OURS)
        for change in changes:
            merged = {**merged, **change}
        self.workspace.write(merged)

    def code(self, path: str, old: str, new: str) -> None:
        """Replace text in a file of the project."""
        file = self.workspace.project / path
        text = file.read_text()
        assert old in text, f"{path} has no {old!r}"
        file.write_text(text.replace(old, new, 1))

    def cell(self, label: str) -> Path:
        cells = (self.results / "cells").iterdir()
        (found,) = (cell for cell in cells if subject(f"results/cells/{cell.name}") == label)
        return found

    def jobs(self, *arguments: str) -> Jobs:
        """Return (rule, what it works on) of every job that Snakemake would run."""
        outcome = self.workspace.snakemake("--summary", *arguments)
        assert outcome.status == 0, outcome.text[-3000:]
        rows = [
            line.split("\t") for line in outcome.text.splitlines() if "\tupdate pending" in line
        ]
        return frozenset((rule_of(row[2]), subject(row[0])) for row in rows)


def subject(path: str) -> str:
    """Return what a file is about, hashes left out."""
    parts = [re.sub(r"[.-][0-9a-f]{8}(?=$|\.|-seed)", "", part) for part in Path(path).parts[1:]]
    if parts[0] in ("cells", "cache", "features", "stamps", "tuning"):
        return parts[1]
    return ":".join(parts[2:4]) if parts[1] == "ensemble" else parts[0]


def copy_project(folder: Path) -> Path:
    for name in ("src", "workflow", "resources", "profiles", "envs"):
        ignored = shutil.ignore_patterns("*.egg-info")
        shutil.copytree(PROJECT / name, folder / name, ignore=ignored)
    for name in ("Snakefile", "config.yaml", "CITATION.cff"):
        shutil.copy2(PROJECT / name, folder / name)
    return folder


def trained(cells: Iterable[str]) -> Jobs:
    """Return the jobs that make cells from nothing, up to their scores."""
    return frozenset((rule, cell) for cell in cells for rule in ("spec", "train", "evaluate"))


ENSEMBLED: Jobs = frozenset({("ensembles", "small")})
"""The one job that makes all ensembles of a small study; it keeps those that are right."""


def analysed(*stages: str) -> Jobs:
    return frozenset((RULES.get(stage, stage), "small") for stage in stages or ANALYSIS)


def after(*stages: str) -> set[str]:
    """Return stages of the whole study, and all that read them, directly or not."""
    found = set(stages)
    for stage in WHOLE:  # each stands after those that it reads
        if found & set(stage.reads):
            found.add(stage.name)
    return found


def follow(*stages: str) -> Jobs:
    """Return the jobs of stages and of all that read them."""
    return analysed(*after(*stages))


def stamped(*names: str) -> Jobs:
    return frozenset(("stamp", name if "." in name else f"small.{name}") for name in names)


def union(*parts: Jobs) -> Jobs:
    return frozenset(chain(*parts))


def new_cells(cells: Iterable[str], *more: Jobs) -> Jobs:
    """Return all that cells which the study did not have bring with them."""
    cells = set(cells)
    return union(trained(cells), REDONE, *more)


REDONE = union(stamped("ensembles", *ANALYSIS), ENSEMBLED, analysed())
EVERYTHING = new_cells(CELLS)


def grid(**changes: Any) -> dict[str, Any]:
    first, second = OURS["grid"]
    return {"grid": [{**first, **changes}, second]}


def like(cells: set[str], old: str, new: str) -> set[str]:
    return {cell.replace(old, new) for cell in cells}
