"""One epoch from JPEG files, against torchvision's ImageFolder in a DataLoader with transforms v2.

The same network from timm, AdamW, batch 32, no augmentation, two threads on both sides; each ends
with a validation and a checkpoint. The first cell of a study decodes its films to the cache and
trains; later cells only train, whatever their network. The DataLoader (two workers) decodes in
every epoch. Cold means that the kernel holds no film in memory; and for the library, that there is
no cache. As many threads as cores is what PyTorch takes if it is not told; with workers beside it,
one thread can be faster, so that the DataLoader's loop is timed with one as well.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
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
    return DataLoader(films, BATCH, shuffle=split == "train", num_workers=WORKERS)


def usual(folder: Path, network: str, px: int, threads: int = THREADS) -> None:
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
    torch.save(model.state_dict(), folder / "usual.pt")


def library(spec: Mapping[str, Any], films: Path, folder: Path, px: int, first: bool) -> None:
    """Train a cell; the first of a study decodes before that."""
    clear(folder)
    if first:
        place = folder / "results" / "cache" / spec["dataset"]["id"]
        shutil.rmtree(place)
        build_cache(declaration(films, px), films, place, WORKERS)
    train(spec, folder / "results", threads=THREADS)


def main(words: Sequence[str] | None = None) -> None:
    warm_up()
    arguments = parse(__doc__, words, runs=2)
    sizes, held = ({(64, SMALL): 16}, 4) if arguments.quick else (FILMS, VALID)
    networks = NETWORKS[:1] if arguments.quick else NETWORKS
    before = torch.get_num_threads()
    heading("One epoch from JPEG files", f"Batch {BATCH}, {THREADS} threads, s.")
    columns = ["films", "network", "px", "number", "first cell", "ImageFolder, cold", "ratio"]
    columns += ["later cell", "ImageFolder, warm", "ratio", "one thread", "ratio"]
    table(columns, texts=2)
    with tempfile.TemporaryDirectory() as name:
        for (px, size), count in sizes.items():
            label = f"{size[0]} x {size[1]}"
            folder, films = Path(name) / f"{px} {label}", Path(name) / f"films {px} {label}"
            write_films(films, {"train": count, "valid": held, "test": 4}, size)
            data = {"films": declaration(films, px)}
            specs = write_cells(folder, networks, data, epochs=1, batch_size=BATCH)
            for network in networks:
                spec = specs["films", network]
                took = times(spec, films, folder, px, arguments.runs)
                row(label, network, px, count, *took)
    torch.set_num_threads(before)


def times(
    spec: Mapping[str, Any], films: Path, folder: Path, px: int, runs: int
) -> tuple[float, ...]:
    """Return the numbers of a row."""
    paths = list(films.rglob("*.jpg"))
    ours = partial(library, spec, films, folder, px)
    theirs = partial(usual, films, spec["cell"]["architecture"], px)
    calls = {
        "first": partial(cold, partial(ours, True), paths),
        "cold": partial(cold, theirs, paths),
        "later": partial(seconds, partial(ours, False)),
        "warm": partial(seconds, theirs),
        "single": partial(seconds, partial(theirs, 1)),
    }
    took = alternate(calls, runs)
    first, later = took["first"], took["later"]
    return (
        *(first, took["cold"], took["cold"] / first),
        *(later, took["warm"], took["warm"] / later, took["single"], took["single"] / later),
    )


def cold(call: Callable[[], object], paths: Sequence[Path]) -> float:
    forget(paths)
    return seconds(call)


if __name__ == "__main__":
    main()
