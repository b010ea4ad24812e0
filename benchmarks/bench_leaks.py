"""What finding near duplicates costs: hashing a film, and comparing 100,000 films.

Films are hashed in the pass that decodes them: here, of one film, the processor's time beside that
of reading, decoding and resizing it, and beside imagehash's two difference hashes of that size with
the same SHA-256 of the pixels. A pass that does not hash is measured as well, by putting a constant
in the hashes' place.

Comparing is that of `transfergrid leaks` with one thread: within a data set, each image with all
others; across two, each of one half with the other half. The usual way in numpy takes one image
after the other, its hashes packed into words and XORed with those of all later ones. imagehash
subtracts two hashes for each pair, in Python. imagededup searches with the C code that its
find_duplicates takes by default, and has one hash of 64 bits where the others have two of 256.
They are timed on some images or pairs and scaled. The hashes are mixed, row by row, from those of
drawn chest films, so that they are as much alike as films of one kind, and one in a hundred is a
copy with a few bits changed. What is found is compared before anything is timed.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import logging
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from common import Cost, heading, in_turns, median, parse, peer, row, spent, table
from made_films import FULL, MIDDLE, SMALL, declaration, film, write_films
from PIL import Image

from transfergrid.data import blocks
from transfergrid.data.cache import build_cache
from transfergrid.data.images import read_image, resize
from transfergrid.data.leaks import between, within
from transfergrid.data.likeness import BITS, NEAR, PRINT, Prints, find_twins, print_of, prints_of
from transfergrid.data.origin import Origin
from transfergrid.data.phantom_cohort import patient_films
from transfergrid.data.phantom_film import draw_film
from transfergrid.planning.alike import LEAST_PX

IMAGES, DRAWN, COPIES, CHANGED = 100_000, 300, 100, 8
"""Images, films that their hashes are mixed from, one in how many is a copy, and its bits."""
SIDE = 16
"""Of a hash: 16 rows of 16 bits."""
FILMS = (("JPEG", SMALL, 320, 2_000), ("PNG", MIDDLE, 224, 200), ("JPEG", FULL, 224, 100))
SHORT_BITS, SHORT_NEAR = 64, 10
"""Of imagededup, as it is by default."""

Pairs = set[tuple[int, int]]


@dataclass(frozen=True)
class Peer:
    """A way to compare all hashes, timed on a few.

    Attributes:
        name: What does so.
        timed: What of it is timed, in words.
        call: Does that.
        scale: By what its time is multiplied to be that of all pairs.
    """

    name: str
    timed: str
    call: Callable[[], object]
    scale: float


def made_prints(count: int, drawn: int) -> Prints:
    """Return what is remembered of so many films of one kind."""
    rng = np.random.default_rng(0)
    films: list[np.ndarray] = []
    patient = 0
    while len(films) < drawn:
        frontal = [one for one in patient_films(0, "train", patient) if not one.lateral]
        films += [resize(draw_film(one), 64, "crop", "grey") for one in frontal]
        patient += 1
    data = b"".join(print_of(one)[hashlib.sha256().digest_size :] for one in films)
    bits = np.unpackbits(np.frombuffer(data, np.uint8)).reshape(len(films), 2 * SIDE, SIDE)
    chosen = rng.integers(0, len(films), (count, 2 * SIDE))
    mixed = bits[chosen, np.arange(2 * SIDE)].reshape(count, 2, BITS)
    for copy in range(COPIES, count, COPIES):
        mixed[copy] = mixed[copy - COPIES]
        for one in range(2):
            mixed[copy, one, rng.choice(BITS, CHANGED, replace=False)] ^= 1
    hashes = np.packbits(mixed.reshape(count, -1), axis=1)
    digests = rng.integers(0, 256, (count, PRINT - hashes.shape[1]), dtype=np.uint8)
    return prints_of(np.concatenate([digests, hashes], axis=1).tobytes())


def origin(prints: Prints, first: int) -> Origin:
    """Return the record of a data set of these images, as a cache leaves it."""
    count = len(prints)
    names = [f"{number:06d}.png" for number in range(first, first + count)]
    parts = [("train", "valid", "test")[max(0, number % 10 - 7)] for number in range(count)]
    digests = [hashlib.sha256(name.encode()).digest() for name in names]
    zeros = np.zeros(count, np.int64)
    return Origin(None, names, digests, zeros, zeros, parts, prints, 64, {}, {})


def of_hashes(prints: Prints) -> np.ndarray:
    """Return the two hashes of each image, (N, 2, 4) uint64."""
    return np.ascontiguousarray(prints[:, -2 * BITS // 64 :]).reshape(-1, 2, BITS // 64)


def by_numpy(hashes: np.ndarray, rows: Sequence[int]) -> Pairs:
    """Compare some images with all later ones, as is usual: one after the other."""
    found: Pairs = set()
    for at in rows:
        differ = np.bitwise_count(hashes[at] ^ hashes[at + 1 :]).sum(axis=2)
        near = np.flatnonzero((differ <= NEAR).all(axis=1))
        found |= {(at, at + 1 + int(other)) for other in near}
    return found


def by_imagehash(hashes: Sequence[tuple[Any, Any]], pairs: Sequence[tuple[int, int]]) -> Pairs:
    return {
        (one, other)
        for one, other in pairs
        if all(a - b <= NEAR for a, b in zip(hashes[one], hashes[other], strict=True))
    }


def peers(prints: Prints) -> Iterator[Peer]:
    """Yield the ways to compare each image with all others."""
    hashes, count = of_hashes(prints), len(prints)
    every = count * (count - 1) / 2
    some = list(range(0, count, max(1, count // 100)))
    pairs = sum(count - 1 - at for at in some)
    told = f"{len(some)} images"
    yield Peer("numpy, image by image", told, partial(by_numpy, hashes, some), every / pairs)
    if package := peer("imagehash"):
        bits = np.unpackbits(hashes.view(np.uint8), axis=-1).astype(bool)
        square = bits[: min(count, 200)].reshape(-1, 2, SIDE, SIDE)
        made = [tuple(map(package.ImageHash, both)) for both in square]
        few = [(i, j) for i in range(len(made)) for j in range(i + 1, len(made))]
        call = partial(by_imagehash, made, few)
        yield Peer("imagehash, pair by pair", f"{len(few)} pairs", call, every / len(few))
    if peer("imagededup"):
        search = importlib.import_module("imagededup.handlers.search.retrieval").HashEval
        logging.getLogger("imagededup").setLevel(logging.ERROR)
        logging.getLogger(search.__module__).setLevel(logging.ERROR)
        short = {str(at): f"{word:016x}" for at, word in enumerate(hashes[:, 0, 1].tolist())}
        queries = {str(at): short[str(at)] for at in range(min(count, 100))}
        settings = {"verbose": False, "threshold": SHORT_NEAR, "num_dist_workers": 1}
        method = {"search_method": "brute_force_cython", "distance_function": None}
        call = partial(search, short, queries, **settings, **method)
        name = f"imagededup, {SHORT_BITS} bits, image by image"
        yield Peer(name, f"{len(queries)} images", call, count / len(queries))


def check(prints: Prints) -> None:
    """Hold that ours finds what the usual ways find."""
    count = min(len(prints), 2_000)
    twins = find_twins(prints[:count], 64, "films")
    ours = {(at, other) for at in range(count) for other in twins.of(at).tolist() if other > at}
    if ours != by_numpy(of_hashes(prints[:count]), range(count)) or not ours:
        raise SystemExit("The usual way in numpy finds other near duplicates than the library.")


def comparing(count: int, runs: int) -> None:
    """Print what comparing takes."""
    prints = made_prints(count, min(count // 10, DRAWN))
    check(prints)
    whole, half = origin(prints, 0), count // 2
    one, other = origin(prints[:half], 0), origin(prints[half:], half)
    found = list(peers(prints))
    ways: dict[str, Callable[[], object]] = {
        "within": lambda: list(within(whole, "films")),
        "across": lambda: list(between(one, other, "films")),
        **{one.name: one.call for one in found},
    }
    taken = in_turns({name: partial(spent, way) for name, way in ways.items()}, runs)
    costs = {name: median(several) for name, several in taken.items()}
    mine = costs["within"]
    table(("what", "timed", "s", "processor, s", "ratio", "ratio of the processor"), texts=2)
    row("transfergrid leaks, within", "all pairs", mine.wall, mine.cpu, 1.0, 1.0)
    for peer_ in found:
        cost = scaled(costs[peer_.name], peer_.scale)
        ratios = (cost.wall / mine.wall, cost.cpu / mine.cpu)
        row(f"{peer_.name}, within", peer_.timed, cost.wall, cost.cpu, *ratios)
    mine = costs["across"]
    row("transfergrid leaks, across", "all pairs", mine.wall, mine.cpu, 1.0, 1.0)
    across = half * (count - half) / (count * (count - 1) / 2)
    for peer_ in found:
        cost = scaled(costs[peer_.name], peer_.scale * across)
        ratios = (cost.wall / mine.wall, cost.cpu / mine.cpu)
        row(f"{peer_.name}, across", peer_.timed, cost.wall, cost.cpu, *ratios)


def scaled(cost: Cost, by: float) -> Cost:
    return replace(cost, wall=cost.wall * by, cpu=cost.cpu * by)


def processor(call: Callable[[], object], runs: int) -> float:
    """Return the median of a call's milliseconds of the processor."""
    found = []
    for _ in range(runs):
        start = time.process_time_ns()
        call()
        found.append(1e-6 * (time.process_time_ns() - start))
    return statistics.median(found)


def hashing(folder: Path, quick: bool) -> None:
    """Print what hashing a film takes beside decoding it."""
    package, runs = peer("imagehash"), 3 if quick else 50
    columns = ("decoding, ms", "hashing, ms", "share", "imagehash, ms", "ratio")
    table(("film", "px", *columns))
    for form, whole, px, _ in FILMS:
        size = SMALL if quick else whole
        path = folder / f"film.{form}"
        path.write_bytes(film(0, size, form))
        pixels = read_image(path, px).pixels
        decoding = processor(partial(read_image, path, px), runs)
        mine = processor(partial(print_of, pixels), runs)
        theirs = processor(partial(both_hashes, package, pixels), runs) if package else None
        ratio = theirs / mine if theirs else None
        told = f"{form}, {size[0]} x {size[1]}"
        row(told, px, decoding, mine, mine / decoding, theirs, ratio)


def both_hashes(package: Any, pixels: np.ndarray) -> None:
    hashlib.sha256(np.ascontiguousarray(pixels).data).digest()
    picture = Image.fromarray(pixels)
    package.dhash(picture, SIDE)
    package.dhash_vertical(picture, SIDE)


@contextmanager
def without_hashes() -> Iterator[None]:
    """Put a constant in the hashes' place."""
    hashes, blocks.print_of = blocks.print_of, lambda pixels: bytes(PRINT)
    try:
        yield
    finally:
        blocks.print_of = hashes


def passes(folder: Path, runs: int, quick: bool) -> None:
    """Print what a pass over films takes with and without hashes."""
    table(("films", "px", "number", "with, s", "without, s", "with, processor", "without", "ratio"))
    for form, whole, px, number in FILMS:
        size, count = (SMALL, 12) if quick else (whole, number)
        films = folder / f"{form}-{px}-{size[0]}"
        write_films(films, {"train": count - 8, "valid": 4, "test": 4}, size, form)

        def cached(films: Path = films, px: int = px) -> None:
            # The films are copies of a few, of which it warns.
            with tempfile.TemporaryDirectory(dir=folder) as place, redirect_stderr(io.StringIO()):
                build_cache(declaration(films, px), films, Path(place) / "cache", 2)

        def bare(cached: Callable[[], None] = cached) -> None:
            with without_hashes():
                cached()

        ways = {"with": partial(spent, cached), "without": partial(spent, bare)}
        costs = {name: median(found) for name, found in in_turns(ways, runs).items()}
        one, other = costs["with"], costs["without"]
        told = f"{form}, {size[0]} x {size[1]}"
        row(told, px, count, one.wall, other.wall, one.cpu, other.cpu, one.cpu / other.cpu)


def main(words: Sequence[str] | None = None) -> None:
    arguments = parse(__doc__, words)
    assert min(px for *_, px, _ in FILMS) >= LEAST_PX
    with tempfile.TemporaryDirectory() as name:
        heading("Hashing a film", "One thread, milliseconds of the processor.")
        hashing(Path(name), arguments.quick)
        note = f"Two threads, seconds; runs: {arguments.runs}."
        heading("A pass over films with their hashes and without", note)
        passes(Path(name), arguments.runs, arguments.quick)
    count = 400 if arguments.quick else IMAGES
    heading("Comparing films", f"{count} films, one thread, seconds; runs: {arguments.runs}.")
    comparing(count, arguments.runs)


if __name__ == "__main__":
    main()
