"""Decoding films to the cache, against one process of Pillow and torchvision's DataLoader.

The films are JPEGs of the sizes of CheXpert's two releases, brought to 320 x 320 grey (shorter
side, centre). Pillow's loop and the DataLoader (two workers, transforms v2) write their images into
a memory map; the cache also hashes every byte and checks the labels. Memory is the peak of a
process that builds a cache, what it imports included: at two lengths, and for 223,414 rows of one
small image, where it is the table that grows.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import alternate, environment, forget, heading, parse, row, run, seconds, table
from made_films import FULL, MIDDLE, SMALL, declaration, film, write_films
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from transfergrid.data.cache import build_cache
from transfergrid.data.images import read_image
from transfergrid.data.plain_png import plain_png
from transfergrid.planning.paths import PROJECT

PX, FILMS, FULL_FILMS, WORKERS = 320, 2_000, 100, 2
CHEXPERT = 223_414
AGAIN_PX, AGAIN = 224, {"PNG": (MIDDLE, 300), "JPEG": (FULL, 200)}
BUILD = """
import json, sys, time
from pathlib import Path
from transfergrid.data.cache import build_cache
declaration = json.loads(sys.argv[1])
root = declaration.get("root")
start = time.perf_counter(), time.process_time()
card = build_cache(declaration, Path(root) if root else None, Path("cache-0"), 2)
end = time.perf_counter(), time.process_time()
told = [end[0] - start[0], end[1] - start[1], card["content_sha256"]]
Path("told.json").write_text(json.dumps(told))
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
    for name, took in found.items():
        row(f"{width} x {height}", name, len(paths), took, len(paths) / took, took / ours)


def memory(folder: Path, counts: Sequence[int], rows: int) -> None:
    heading("Memory of decoding", "Peak of the whole process.")
    table(("data set", "memory, MiB"))
    for count in counts:
        words = json.dumps(declaration(folder / f"films-{count}", PX))
        row(f"{count} films at {PX} px", run([sys.executable, "-c", BUILD, words], folder).memory)
    made = {"kind": "made_films:repeated", "count": rows, "image_px": 16, "duplicates": "allow"}
    words = json.dumps(made)
    row(f"{rows} rows at 16 px", run([sys.executable, "-c", BUILD, words], folder).memory)


def again(folder: Path, films: Path, before: Path) -> tuple[float, float, str]:
    """Return a checkout's seconds on the clock and of the processor, and a hash of the pixels."""
    shutil.rmtree(folder / "cache-0", ignore_errors=True)
    places = {"PYTHONPATH": f"{before / 'src'}:{before / 'benchmarks'}"}
    words = json.dumps(declaration(films, AGAIN_PX))
    forget(path for path in films.rglob("*") if path.is_file())
    subprocess.run(
        [sys.executable, "-c", BUILD, words],
        cwd=folder,
        env=environment() | places,
        check=True,
        stderr=subprocess.DEVNULL,
    )
    wall, cpu, pixels = json.loads((folder / "told.json").read_text())
    return wall, cpu, pixels


def compare(folder: Path, name: str, films: Path, before: Path, runs: int) -> None:
    """Print what caches of the same films take, two threads each, in turns."""
    found: dict[Path, list[tuple[float, float, str]]] = {before: [], PROJECT: []}
    for turn in range(runs):
        for checkout in list(found)[:: 1 if turn % 2 == 0 else -1]:
            found[checkout].append(again(folder, films, checkout))
    equal = len({pixels for told in found.values() for *_, pixels in told}) == 1
    (old_wall, old_cpu), (wall, cpu) = (
        (statistics.median(t[0] for t in told), statistics.median(t[1] for t in told))
        for told in found.values()
    )
    number = len((films / "films.csv").read_text().splitlines()) - 1
    ratios = (old_wall / wall, old_cpu / cpu)
    row(name, "equal" if equal else "differ", number, old_wall, wall, old_cpu, cpu, *ratios)


def copies(real: Path, folder: Path, count: int) -> None:
    """Link a user's own films until there are `count`, in the layout of the made ones."""
    files = sorted(path for path in real.iterdir() if path.suffix.lower() in (".png", ".jpg"))
    lines = ["path,finding,split"]
    for split, number in splits(count).items():
        for place in range(number):
            film = files[place % len(files)]
            path = Path(split) / f"{place:06d}{film.suffix}"
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(film, folder / path)
            lines.append(f"{path},{place % 2},{split}")
    (folder / "films.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def processor(call: Callable[[], object], runs: int) -> float:
    """Return the median of a call's milliseconds of the processor."""
    found = []
    for _ in range(runs):
        start = time.process_time()
        call()
        found.append(1e3 * (time.process_time() - start))
    return statistics.median(found)


def by_pillow(data: bytes, least: tuple[int, int] | None = None) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    if least:
        image.draft(None, least)
    image.load()
    return image


def steps(folder: Path, form: str, size: tuple[int, int]) -> dict[str, Callable[[], object]]:
    """Return what is done to a film, and what no decoder of its kind can do without."""
    path, data = folder / f"film.{form}", film(0, size, form)
    path.write_bytes(data)
    # The image has at least this size when a JPEG is decoded at a fraction of its own.
    least = (AGAIN_PX * 2 * size[0] // size[1], AGAIN_PX * 2) if form == "JPEG" else None
    image = by_pillow(data, least)
    calls: dict[str, Callable[[], object]] = {
        "all of it": partial(read_image, path, AGAIN_PX),
        "SHA-256": partial(hashlib.sha256, data),
        "resizing": partial(image.resize, (AGAIN_PX,) * 2, Image.Resampling.BILINEAR),
        "decoding by Pillow": partial(by_pillow, data, least),
    }
    if form == "PNG":
        calls["decoding by kornia-rs"] = partial(plain_png, data)
        calls["inflating alone, zlib"] = partial(zlib.decompress, idat(data))
    else:
        calls["decoding in full"] = partial(by_pillow, data)
        calls["decoding the means of blocks alone"] = partial(by_pillow, data, (1, 1))
    return calls


def parts(folder: Path, quick: bool) -> None:
    """Print where the time of one film goes."""
    heading("Where the time of a film goes", f"To {AGAIN_PX} px, milliseconds of the processor.")
    table(("film", "step", "ms"), texts=2)
    for form, (whole, _) in AGAIN.items():
        size = SMALL if quick else whole
        for step, call in steps(folder, form, size).items():
            row(f"{form}, {size[0]} x {size[1]}", step, processor(call, 1 if quick else 15))


def idat(data: bytes) -> bytes:
    """Return the compressed stream of a PNG."""
    place, found = 8, b""
    while place < len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        if data[place + 4 : place + 8] == b"IDAT":
            found += data[place + 8 : place + 8 + length]
        place += length + 12
    return found


def splits(count: int) -> dict[str, int]:
    held = max(4, count // 20)
    return {"train": count - 2 * held, "valid": held, "test": held}


def versus(folder: Path, arguments: argparse.Namespace) -> None:
    """Print the comparison with an older checkout."""
    heading("An older checkout, then this one", f"To {AGAIN_PX} px, two threads, seconds.")
    columns = ("films", "pixels", "number", "s, before", "s", "CPU s, before", "CPU s", "ratio")
    table((*columns, "ratio of CPU"), texts=2)
    for form, (size, count) in AGAIN.items():
        films = folder / f"again-{form}"
        write_films(films, splits(20 if arguments.quick else count), size, form)
        name = f"{form}, {size[0]} x {size[1]}"
        compare(folder, name, films, arguments.before.resolve(), arguments.runs)
    if arguments.films:
        copies(arguments.films, folder / "real", 300)
        compare(folder, "real", folder / "real", arguments.before.resolve(), arguments.runs)


def main(words: Sequence[str] | None = None) -> None:
    def more(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--before", type=Path, help="an older checkout to compare with")
        parser.add_argument("--films", type=Path, help="a folder of your own films to compare on")

    arguments = parse(__doc__, words, more=more)
    if arguments.films and not arguments.before:
        raise SystemExit("--films is for --before FOLDER; give both.")
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
        heading(
            "Where the time of a film goes", f"To {AGAIN_PX} px, milliseconds of the processor."
        )
        table(("film", "step", "ms"), texts=2)
        parts(folder, arguments.quick)
        if arguments.before:
            versus(folder, arguments)


if __name__ == "__main__":
    main()
