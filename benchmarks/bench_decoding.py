"""Decoding films to the cache, against one process of Pillow and torchvision's DataLoader.

The films are JPEGs of the sizes of CheXpert's two releases, brought to 320 x 320 grey (shorter
side, centre). Pillow's loop and the DataLoader (two workers, transforms v2) write their images into
a memory map; the cache also hashes every byte and checks the labels. Memory is the peak of a
process that builds a cache, what it imports included: at two lengths, and for 223,414 rows of one
small image, where it is the table that grows.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import alternate, forget, heading, parse, row, run, seconds, table
from made_films import FULL, SMALL, declaration, write_films
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from transfergrid.data.cache import build_cache

PX, FILMS, FULL_FILMS, WORKERS = 320, 2_000, 100, 2
CHEXPERT = 223_414
BUILD = """
import json, sys
from pathlib import Path
from transfergrid.data.cache import build_cache
declaration = json.loads(sys.argv[1])
root = declaration.get("root")
build_cache(declaration, Path(root) if root else None, Path("cache-0"), 2)
"""


class Films(Dataset[torch.Tensor]):
    """Files as a researcher would decode them."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths
        self.change = v2.Compose([v2.Resize(PX), v2.CenterCrop(PX), v2.PILToTensor()])

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        with Image.open(self.paths[index]) as image:
            tensor: torch.Tensor = self.change(image.convert("L"))
        return tensor


def memory_map(folder: Path, count: int) -> np.memmap[Any, np.dtype[np.uint8]]:
    shape = (count, PX, PX)
    return np.lib.format.open_memmap(folder / "plain.npy", mode="w+", dtype=np.uint8, shape=shape)


def pillow(paths: Sequence[Path], folder: Path) -> None:
    images = memory_map(folder, len(paths))
    for number, path in enumerate(paths):
        with Image.open(path) as image:
            grey = image.convert("L")
        scale = PX / min(grey.size)
        grey = grey.resize((round(grey.width * scale), round(grey.height * scale)), Image.BILINEAR)
        left, top = (grey.width - PX) // 2, (grey.height - PX) // 2
        images[number] = np.asarray(grey.crop((left, top, left + PX, top + PX)))
    images.flush()


def loader(paths: Sequence[Path], folder: Path) -> None:
    images, start = memory_map(folder, len(paths)), 0
    for batch in DataLoader(Films(paths), batch_size=64, num_workers=WORKERS):
        images[start : start + len(batch)] = batch[:, 0].numpy()
        start += len(batch)
    images.flush()


def times(folder: Path, films: Path, size: tuple[int, int], runs: int) -> None:
    width, height = size
    paths = sorted(films.rglob("*.jpg"))
    calls: dict[str, Callable[[], object]] = {
        "build_cache, two threads": partial(
            build_cache, declaration(films, PX), films, folder / "cache-0", WORKERS
        ),
        "Pillow, one process": partial(pillow, paths, folder),
        "DataLoader, two workers": partial(loader, paths, folder),
    }

    def cold(call: Callable[[], object]) -> float:
        shutil.rmtree(folder / "cache-0", ignore_errors=True)
        (folder / "plain.npy").unlink(missing_ok=True)
        forget(paths)
        return seconds(call)

    found = alternate({name: partial(cold, call) for name, call in calls.items()}, runs)
    ours = next(iter(found.values()))
    for name, time in found.items():
        row(f"{width} x {height}", name, len(paths), time, len(paths) / time, time / ours)


def memory(folder: Path, counts: Sequence[int], rows: int) -> None:
    heading("Memory of decoding", "Peak of the whole process.")
    table(("data set", "memory, MiB"))
    for count in counts:
        words = json.dumps(declaration(folder / f"films-{count}", PX))
        row(f"{count} films at {PX} px", run([sys.executable, "-c", BUILD, words], folder).memory)
    made = {"kind": "made_films:repeated", "count": rows, "image_px": 16, "duplicates": "allow"}
    words = json.dumps(made)
    row(f"{rows} rows at 16 px", run([sys.executable, "-c", BUILD, words], folder).memory)


def splits(count: int) -> dict[str, int]:
    held = max(4, count // 20)
    return {"train": count - 2 * held, "valid": held, "test": held}


def main(words: Sequence[str] | None = None) -> None:
    arguments = parse(__doc__, words)
    count, rows = (20, 2_000) if arguments.quick else (FILMS, CHEXPERT)
    counts = (count,) if arguments.quick else (count, 4 * count)
    heading("Decoding", f"To {PX} x {PX}, films not in memory.")
    table(("films", "what", "number", "s", "films per second", "ratio"), texts=2)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in counts:
            write_films(folder / f"films-{number}", splits(number))
        times(folder, folder / f"films-{count}", SMALL, arguments.runs)
        if not arguments.quick:
            write_films(folder / "full", splits(FULL_FILMS), FULL)
            times(folder, folder / "full", FULL, arguments.runs)
        memory(folder, counts, rows)


if __name__ == "__main__":
    main()
