"""One epoch from JPEG files, against torchvision's ImageFolder in a DataLoader with transforms v2.

The same network from timm, AdamW, batch 32, no augmentation; each ends with a validation and a
checkpoint. The first cell of a study decodes its films to the cache and trains; later cells only
train, whatever their network. The DataLoader (two workers) decodes in every epoch. Cold means that
the kernel holds no film in memory; and for the library, that there is no cache.

First each by itself with two threads, which is what PyTorch takes on two cores. Then two at once
with a thread each, as `snakemake --cores 2` runs cells, in processes that have imported all:
seconds for both, divided by two; and beside it, the usual loop by itself once more.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import timm
import torch
from common import alternate, forget, heading, parse, row, seconds, table
from made_films import FULL, MIDDLE, SMALL, declaration, write_films
from made_training import clear, warm_up, write_cells
from sklearn.metrics import roc_auc_score
from torch import nn
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from transfergrid.data.cache import build_cache
from transfergrid.training.loop import train

NETWORKS = ("lcnet_050", "resnet18")
FILMS = {(64, SMALL): 1500, (224, SMALL): 300, (64, MIDDLE): 500, (64, FULL): 200}
"""Training films by the images' side and the films' size."""
VALID, BATCH, THREADS, WORKERS = 100, 32, 2, 2


def film_loader(folder: Path, split: str, px: int) -> DataLoader[Any]:
    change = v2.Compose(
        [
            v2.ToImage(),
            v2.Resize(px, antialias=True),
            v2.CenterCrop(px),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    films = ImageFolder(str(folder / split), change)
    workers = {"num_workers": WORKERS, "multiprocessing_context": "fork"}  # as usual on Linux
    return DataLoader(films, BATCH, shuffle=split == "train", **workers)


def usual(folder: Path, network: str, px: int, threads: int) -> None:
    """Train an epoch the usual way, from ImageFolder."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = timm.create_model(network, num_classes=1).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    loss_of = nn.BCEWithLogitsLoss()
    model.train()
    for images, labels in film_loader(folder, "train", px):
        logits = model(images.to(memory_format=torch.channels_last))[:, 0]
        optimizer.zero_grad()
        loss_of(logits, labels.float()).backward()
        optimizer.step()
    model.eval()
    scores, truth = [], []
    with torch.inference_mode():
        for images, labels in film_loader(folder, "valid", px):
            scores.append(model(images.to(memory_format=torch.channels_last))[:, 0])
            truth.append(labels)
    roc_auc_score(torch.cat(truth).numpy(), torch.cat(scores).numpy())
    torch.save(model.state_dict(), folder / f"usual-{threads}-{os.getpid()}.pt")


def library(
    spec: Mapping[str, Any],
    films: Path,
    folder: Path,
    px: int,
    threads: int,
    first: bool = False,
) -> None:
    """Train a cell; the first of a study decodes before that."""
    clear(folder)
    if first:
        place = folder / "results" / "cache" / spec["dataset"]["id"]
        shutil.rmtree(place)
        build_cache(declaration(films, px), films, place, WORKERS)
    train(spec, folder / "results", threads=threads)


@dataclass(frozen=True)
class Case:
    """Films, a network, the images' side, threads, and folders of results for two cells."""

    films: Path
    network: str
    px: int
    threads: int
    folders: tuple[Path, ...]

    @cached_property
    def specs(self) -> list[dict[str, Any]]:
        """Make the caches; return the cell's specification for each folder."""
        data, names = {"films": declaration(self.films, self.px)}, [self.network]
        found = (write_cells(f, names, data, epochs=1, batch_size=BATCH) for f in self.folders)
        return [specs["films", self.network] for specs in found]


def main(words: Sequence[str] | None = None) -> None:
    warm_up()
    arguments = parse(__doc__, words, runs=2)
    sizes, held = ({(64, SMALL): 16}, 4) if arguments.quick else (FILMS, VALID)
    networks = NETWORKS[:1] if arguments.quick else NETWORKS
    # To see that it runs, one of each will do: threads that wait for a busy core spin.
    threads, processes = (1, 1) if arguments.quick else (THREADS, 2)
    before = torch.get_num_threads()
    rows = []
    spawned = ProcessPoolExecutor(processes, get_context("spawn"), initializer=warm_up)
    with tempfile.TemporaryDirectory() as name, spawned as pool:
        if not arguments.quick:
            list(pool.map(time.sleep, (5, 5)))  # time for both processes to import all
        heading(
            "One epoch from JPEG files",
            f"Batch {BATCH}, threads: {threads}, s; runs: {arguments.runs}.",
        )
        columns = ["films", "network", "px", "number", "first cell", "ImageFolder, cold", "ratio"]
        table([*columns, "later cell", "ImageFolder, warm", "ratio"], texts=2)
        for (px, size), count in sizes.items():
            label = f"{size[0]} x {size[1]}"
            films = Path(name) / f"films {px} {label}"
            write_films(films, {"train": count, "valid": held, "test": 4}, size)
            for network in networks:
                folders = [Path(name) / f"{px} {label} {network} {number}" for number in range(2)]
                case = Case(films, network, px, threads, tuple(folders))
                row(label, network, px, count, *alone(case, arguments.runs))
                rows.append((label, network, px, count, *both(case, pool, arguments.runs)))
    print(f"\n## Two at once\n\nBatch {BATCH}, a thread each, s an epoch of one.\n")
    columns = ["films", "network", "px", "number", "later cells", "ImageFolder", "ratio"]
    table([*columns, "ImageFolder by itself", "ratio"], texts=2)
    for cells in rows:
        row(*cells)
    torch.set_num_threads(before)


def alone(case: Case, runs: int) -> list[float]:
    """Return the numbers of the first table."""
    paths = list(case.films.rglob("*.jpg"))
    ours = partial(library, case.specs[0], case.films, case.folders[0], case.px, case.threads)
    theirs = partial(usual, case.films, case.network, case.px, case.threads)
    calls = {
        "first": partial(cold, partial(ours, first=True), paths),
        "cold": partial(cold, theirs, paths),
        "later": partial(seconds, ours),
        "warm": partial(seconds, theirs),
    }
    took = alternate(calls, runs)
    first, later = took["first"], took["later"]
    return [first, took["cold"], took["cold"] / first, later, took["warm"], took["warm"] / later]


def both(case: Case, pool: ProcessPoolExecutor, runs: int) -> list[float]:
    """Return the numbers of the second table."""
    ours = [
        partial(library, spec, case.films, folder, case.px, 1)
        for spec, folder in zip(case.specs, case.folders, strict=True)
    ]
    theirs = partial(usual, case.films, case.network, case.px)

    def finish(calls: Sequence[Callable[[], None]]) -> None:
        for job in [pool.submit(call) for call in calls]:
            job.result()

    def together(calls: Sequence[Callable[[], None]]) -> float:
        return seconds(partial(finish, calls)) / len(calls)

    calls = {
        "cells": partial(together, ours),
        "usual": partial(together, [partial(theirs, 1)] * 2),
        "single": partial(together, [partial(theirs, case.threads)]),
    }
    took = alternate(calls, runs)
    cells, pair, single = took["cells"], took["usual"], took["single"]
    return [cells, pair, pair / cells, single, single / cells]


def cold(call: Callable[[], object], paths: Sequence[Path]) -> float:
    forget(paths)
    return seconds(call)


if __name__ == "__main__":
    main()
