"""A training step on cached data against a bare loop over tensors in memory.

Both train the same network from the same weights on as many images of one data set at 64 px, batch
32, AdamW, without augmentation. The bare loop has its images normalised beforehand and uses the
faster of the two memory layouts, found by a few steps of each. It runs as it is usually written,
and once more with a fused AdamW, as the library has it. The first table is of images per second in
steps; the second counts a validation and a checkpoint after each of two epochs on all sides (the
bare loop's: a forward pass, scikit-learn's AUROC, torch.save). The library's own times are those
that train.json holds.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from common import heading, parse, row, seconds, table
from made_training import LAYOUTS, NETWORKS, BareLoop, Tensors, clear, network, warm_up, write_cells

from transfergrid.training.loop import train

IMAGES = {"resnet18": 256, "tf_efficientnet_lite0": 256, "densenet121": 160}
"""Training images of an epoch; others have `MANY`."""
MANY, EPOCHS, BATCH, PX = 1024, 2, 32, 64


@dataclass
class Rates:
    """Images per second of one side, run by run."""

    steps: list[float] = field(default_factory=list)
    all: list[float] = field(default_factory=list)


def library(spec: Mapping[str, Any], folder: Path, threads: int, rates: Rates) -> None:
    clear(folder)
    record = train(spec, folder / "results", threads=threads)
    rates.steps.append(record["images_per_second"])
    rates.all.append(record["examples"] / record["train_seconds"])


def bare(
    spec: Mapping[str, Any],
    folder: Path,
    splits: tuple[Tensors, Tensors],
    layout: torch.memory_format,
    rates: Rates,
    usual: type[BareLoop],
    fused: bool | None = None,
) -> None:
    training, valid = (split.laid_out(layout) for split in splits)
    recipe = spec["recipe"]
    batch, epochs = recipe["batch_size"], round(recipe["phases"][0]["epochs"])
    loop = usual(network(spec, folder / "results", layout), training, batch, fused=fused)
    start, stepping, images = time.perf_counter(), 0.0, 0
    for epoch in range(epochs):
        before = time.perf_counter()
        images += loop.epoch()
        stepping += time.perf_counter() - before
        loop.validate(valid)
        loop.save(folder / f"bare-{epoch}.pt")
    rates.steps.append(images / stepping)
    rates.all.append(images / (time.perf_counter() - start))


def faster_layout(
    spec: Mapping[str, Any], results: Path, training: Tensors, usual: type[BareLoop]
) -> tuple[str, torch.memory_format]:
    """Return the layout in which a few steps take less time; the first step is not counted."""
    found = {}
    for name, layout in LAYOUTS.items():
        model, batch = network(spec, results, layout), spec["recipe"]["batch_size"]
        loop = usual(model, training.laid_out(layout), batch)
        loop.epoch(1)
        found[name] = seconds(partial(loop.epoch, 3))
    best = min(found, key=found.__getitem__)
    return best, LAYOUTS[best]


def compare(
    spec: Mapping[str, Any],
    folder: Path,
    count: int,
    threads: int,
    runs: int,
    usual: type[BareLoop] = BareLoop,
    label: Sequence[object] = (),
) -> tuple[Rates, Rates, Rates]:
    """Print a row of the first table; return what the library and the two bare loops did.

    Args:
        spec: A cell's specification.
        folder: Where its results are.
        count: Training images of an epoch.
        threads: Threads of both sides.
        runs: Turns.
        usual: The bare loop.
        label: What the row begins with; the network's name and the threads unless it is given.
    """
    results, name = folder / "results", spec["architecture"]["name"]
    training = Tensors.of(spec, results, "train", count)
    splits = training, Tensors.of(spec, results, "valid", None)
    spec = {**spec, "recipe": {**spec["recipe"], "train_count": len(training.images)}}
    layout, memory = faster_layout(spec, results, training, usual)
    ours, theirs, fused = Rates(), Rates(), Rates()
    for turn in range(runs):
        calls = [
            partial(library, spec, folder, threads, ours),
            partial(bare, spec, folder, splits, memory, theirs, usual),
            partial(bare, spec, folder, splits, memory, fused, usual, fused=True),
        ]
        for call in calls if turn % 2 == 0 else reversed(calls):
            call()
    label = label or (name, threads)
    row(*label, layout, *ratios(ours.steps, theirs.steps, fused.steps))
    return ours, theirs, fused


def ratios(ours: list[float], *peers: list[float]) -> list[float]:
    """Return the median of ours, then of each peer the median, and ours divided by it."""
    mine = median(ours)
    numbers = [mine]
    for peer in map(median, peers):
        numbers += [peer, mine / peer]
    return numbers


def main(words: Sequence[str] | None = None) -> None:
    warm_up()
    arguments = parse(__doc__, words)
    networks = NETWORKS[:1] if arguments.quick else NETWORKS
    heading(
        "A training step",
        f"{PX} px, batch {BATCH}, {EPOCHS} epochs; images/s in steps; runs: {arguments.runs}.",
    )
    columns = ["train", "bare loop", "ratio", "bare loop, fused", "ratio"]
    table(["network", "threads", "bare loop's layout", *columns], texts=1)
    whole = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        patients = 40 if arguments.quick else 700
        films = {
            **{"kind": "phantom", "patients": patients, "valid_patients": 60},
            **{"test_patients": 40, "image_px": PX, "score_tasks": ["cardiomegaly"]},
        }
        recipe = {"epochs": EPOCHS, "batch_size": BATCH}
        specs = write_cells(folder, networks, {"films": films}, **recipe)
        before = torch.get_num_threads()
        for (_, network_name), spec in specs.items():
            for threads in (1,) if arguments.quick else (1, 2):
                torch.set_num_threads(threads)
                count = 32 if arguments.quick else IMAGES.get(network_name, MANY)
                rates = compare(spec, folder, count, threads, arguments.runs)
                whole.append((network_name, threads, *ratios(*(rate.all for rate in rates))))
        torch.set_num_threads(before)
    print("\n## With a validation and a checkpoint after each epoch\n")
    table(["network", "threads", *columns], texts=1)
    for cells in whole:
        row(*cells)


if __name__ == "__main__":
    main()
