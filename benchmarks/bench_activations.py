"""Activations of all layers of a finished cell, against one prediction pass over the same images.

Both read the cell's best checkpoint and the validation images from disk and write what they made
with its SHA-256: scores here, a few positions of every layer there. Drawn films, one thread.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from common import Cost, heading, in_turns, median, parse, row, spent, table
from made_training import warm_up, write_cells

from transfergrid.data.store import open_split
from transfergrid.evaluation.activations import record_activations
from transfergrid.evaluation.predict import score_cell
from transfergrid.planning.naming import cell_name
from transfergrid.planning.paths import activations_directory
from transfergrid.training.loop import train

CELLS = (("lcnet_050", 64), ("mobilenetv2_100", 96), ("resnet18", 128))
IMAGES = 1000
PROBE = {"images": "valid", "rows": 10_000, "layers": "stages", "seed": 0}


def finished(folder: Path, network: str, px: int, images: int) -> dict[str, Any]:
    """Train a cell with one checkpoint; return its specification."""
    patients = {"patients": 32, "valid_patients": images, "test_patients": 10}
    data = {"films": {"kind": "phantom", "image_px": px, "score_tasks": 5, **patients}}
    cells = write_cells(folder, [network], data, epochs=1)
    spec = cells["films", network]
    train(spec, folder / "results", threads=1)
    place = folder / "results" / "cells" / cell_name(spec) / "spec.json"
    place.write_text(json.dumps(spec), encoding="utf-8")
    return spec


def ways(spec: dict[str, Any], results: Path) -> dict[str, Callable[[], Cost]]:
    """Return what is timed, by name."""
    made_from = {"cell": cell_name(spec), "dataset": spec["dataset"]["id"], "probe": PROBE}
    record = partial(record_activations, "state", made_from, results, "cpu")
    score = partial(score_cell, spec, results, "cpu", ("valid",))
    return {"activations": partial(spent, record), "prediction": partial(spent, score)}


def compare(folder: Path, network: str, px: int, images: int, runs: int) -> None:
    """Print the row of a cell."""
    spec, results = finished(folder, network, px, images), folder / "results"
    costs = {name: median(found) for name, found in in_turns(ways(spec, results), runs).items()}
    films = len(open_split(results / "cache" / spec["dataset"]["id"], "valid").images)
    stored = sum(file.stat().st_size for file in activations_directory("state", results).iterdir())
    mine, theirs = costs["activations"], costs["prediction"]
    ratios = (mine.wall / theirs.wall, mine.cpu / theirs.cpu)
    row(network, px, films, stored / 1e6, mine.wall, theirs.wall, mine.cpu, theirs.cpu, *ratios)


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    warm_up()
    arguments = parse(__doc__, words)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    heading(
        "Activations of a finished cell",
        f"Validation films of a cell, one thread; runs: {arguments.runs}.",
    )
    seconds = ("activations, s", "prediction, s", "activations, processor", "prediction, processor")
    table(["network", "px", "films", "MB stored", *seconds, "ratio", "ratio of the processor"])
    with tempfile.TemporaryDirectory() as name:
        for network, px in CELLS[: 1 if arguments.quick else None]:
            images = 30 if arguments.quick else IMAGES
            compare(Path(name) / network, network, px, images, arguments.runs)
    torch.set_num_threads(before)


if __name__ == "__main__":
    main()
