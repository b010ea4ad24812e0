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
from common import alternate, heading, parse, row, seconds, table
from made_training import warm_up, write_cells

from transfergrid.evaluation.activations import record_activations
from transfergrid.evaluation.predict import score_cell
from transfergrid.planning.naming import cell_name
from transfergrid.training.loop import train

NETWORKS, SIZES = ("lcnet_050", "mobilenetv2_100", "resnet18"), (64, 224)
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


def ways(spec: dict[str, Any], results: Path) -> dict[str, Callable[[], float]]:
    """Return what is timed, by name."""
    made_from = {"cell": cell_name(spec), "dataset": spec["dataset"]["id"], "probe": PROBE}
    record = partial(record_activations, "state", made_from, results, "cpu")
    score = partial(score_cell, spec, results, "cpu", ("valid",))
    return {"activations": partial(seconds, record), "prediction": partial(seconds, score)}


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    warm_up()
    arguments = parse(__doc__, words)
    images = 30 if arguments.quick else IMAGES
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    heading(
        "Activations of a finished cell",
        f"About {images} patients' validation films, one thread, s; runs: {arguments.runs}.",
    )
    table(["network", "px", "activations", "prediction pass", "ratio"])
    with tempfile.TemporaryDirectory() as name:
        for network in NETWORKS[: 1 if arguments.quick else None]:
            for px in SIZES[: 1 if arguments.quick else None]:
                folder = Path(name) / f"{network}-{px}"
                spec = finished(folder, network, px, images)
                found = alternate(ways(spec, folder / "results"), arguments.runs)
                ratio = found["activations"] / found["prediction"]
                row(network, px, found["activations"], found["prediction"], ratio)
    torch.set_num_threads(before)


if __name__ == "__main__":
    main()
