"""The memory of a process that scores a cell with masks, by the number of test films.

    .venv/bin/python benchmarks/bench_mask_memory.py

scores two data sets of drawn discs, each in a process of its own on one core, and tells the most
memory that the process had (Linux alone tells), and how much of it was there once its libraries had
been imported. Part of either is pages of the libraries' files, which all processes of a machine
share. --films 300 10000 scores as many, which takes hours; with --thin as well, in an hour, a small
network of two checkpoints whose masks are two convolutions of its last map. What grows with films
would grow there, too.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from common import heading, parse, row, table
from made_training import write_cells
from numpy.typing import NDArray
from torch import Tensor, nn

from transfergrid.data.manifest import Manifest
from transfergrid.data.mask_set import MaskSet
from transfergrid.models.maps import levels_of, maps_of
from transfergrid.planning.naming import cell_name
from transfergrid.training.loop import train

LEARNED = 4


@dataclass(frozen=True)
class Size:
    """What is scored: a network, its decoder and how many of its checkpoints."""

    network: str
    checkpoints: int
    decoder: str | None = None


WHOLE = Size("mobilenetv2_100", 10)
THIN = Size("lcnet_050", 2, "bench_mask_memory:Thin")

CHILD = """
import json, sys
from pathlib import Path
import torch
from transfergrid.evaluation.predict import score_cell
torch.set_num_threads(1)
def told(name):
    # Not ru_maxrss, which begins with the memory of the process that started this one.
    (found,) = [line for line in open("/proc/self/status") if line.startswith(name + ":")]
    return int(found.split()[1]) / 1024
libraries = told("VmHWM")
score_cell(json.loads(Path(sys.argv[1]).read_text()), sys.argv[2], splits=("test",))
print(libraries, told("VmHWM"), told("RssFile"))
"""


def main(words: Sequence[str] | None = None) -> None:
    def more(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--films", type=int, nargs=2, default=[50, 300])
        parser.add_argument("--px", type=int, default=512)
        parser.add_argument("--thin", action="store_true", help="a network of little work a film")

    arguments = parse(__doc__, words, more=more)
    films, px = ([6, 12], 64) if arguments.quick else (arguments.films, arguments.px)
    size = THIN if arguments.thin else WHOLE
    # Planning and scoring import this module in processes of their own.
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)
    decoder = "two convolutions" if arguments.thin else "a U-Net's decoder"
    heading("Masks", f"{size.network} with {decoder}, {px} px, {size.checkpoints} checkpoints.")
    table(("test films", "libraries, MiB", "libraries and scoring, MiB", "of it files, MiB"))
    with tempfile.TemporaryDirectory() as folder:
        for count in films:
            row(count, *peaks(Path(folder) / str(count), count, px, size))


def peaks(folder: Path, films: int, px: int, size: Size) -> tuple[float, float, float]:
    """Train a cell on a few films and score it on many.

    Returns:
        The process's memory in MiB: the most with its libraries alone, the most of all, and what
        of it at the end is pages of files.
    """
    declared = {
        **{"kind": "bench_mask_memory:discs", "task_kind": "segmentation", "image_px": px},
        **{"resize": "stretch", "channels": "grey", "duplicates": "allow"},
        "options": {"test": films, "px": px},
    }
    recipe = {"epochs": size.checkpoints, "batch_size": 4, "decoder": size.decoder}
    recipe["keep_checkpoints"] = WHOLE.checkpoints  # of those that there are
    (spec,) = write_cells(folder, [size.network], {"discs": declared}, **recipe).values()
    place = folder / "results" / "cells" / cell_name(spec) / "spec.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(spec), encoding="utf-8")
    train(spec, folder / "results", threads=1)
    command = [sys.executable, "-c", CHILD, str(place), str(folder / "results")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    libraries, scoring, files = map(float, done.stdout.split()[-3:])
    return libraries, scoring, files


class Thin(nn.Module):
    """Two convolutions of an encoder's last map, brought to the size of the images."""

    def __init__(self, encoder: nn.Module, outputs: int, px: int) -> None:
        super().__init__()
        self.encoder, self.px = encoder, px
        self.steps = nn.Conv2d(levels_of(encoder, (px, px)).maps[0].channels, 8, 1)
        self.head = nn.Conv2d(8, outputs, 1)

    def forward(self, images: Tensor) -> Tensor:
        last, _ = maps_of(self.encoder, images)
        size = (self.px, self.px)
        logits = self.head(self.steps(last))
        found: Tensor = nn.functional.interpolate(logits, size, mode="bilinear")
        return found


@dataclass(frozen=True)
class Discs:
    """Films of a bright disc each, and their masks."""

    count: int
    px: int
    structures: tuple[str, ...] = ("disc",)

    def __len__(self) -> int:
        return self.count

    def name(self, index: int) -> str:
        return f"film{index}"

    def mask(self, index: int) -> NDArray[np.bool_]:
        rng, (rows, columns) = np.random.default_rng(index), np.mgrid[: self.px, : self.px]
        place = rng.uniform(0.3, 0.7, 2) * self.px
        found: NDArray[np.bool_] = np.hypot(rows - place[0], columns - place[1]) < self.px / 5
        return found


class Films(Discs):
    """The films."""

    def read(self, index: int) -> NDArray[np.uint8]:
        noise = np.random.default_rng(index).integers(0, 60, (self.px, self.px))
        return (noise + 150 * self.mask(index)).astype(np.uint8)


class Masks(Discs):
    """Their masks."""

    def read(self, index: int, size: tuple[int, int]) -> NDArray[np.uint8]:
        return self.mask(index)[None].astype(np.uint8)


def discs(options: dict[str, Any], root: Path | None) -> Manifest:
    """Return `test` films to score, and a few to learn from and validate on."""
    settings = options["options"]
    test, px = int(settings["test"]), int(settings["px"])
    split = ["train"] * LEARNED + ["valid"] * LEARNED + ["test"] * test
    names = [f"film{number}" for number in range(len(split))]
    ids = {name: names for name in ("image_id", "study_id", "patient_id")}
    frame = pd.DataFrame({**ids, "view": "", "split": split, "disc": np.float32(np.nan)})
    films, masks = Films(len(split), px), Masks(len(split), px)
    own = MaskSet(films, (masks,))
    return Manifest(frame, ("disc",), ("disc",), "segmentation", films, True, False, masks=own)


if __name__ == "__main__":
    main()
