"""All pairs of 20 activations, n = 10,000, 512 channels: mean CCA, SVCCA and linear CKA.

The library takes each activation apart once and needs one product per pair. The usual way is that
of google/svcca's get_cca_similarity: per pair one covariance matrix of both sides, its blocks'
inverse roots, and an SVD; for SVCCA an SVD of either activation, and all of that again. It is
written here from the formulas, as it usually is, and not copied from that repository. It is timed
on two of the 190 pairs and scaled. Values are compared before anything is timed.

The memory is that of a program that reads the activations, float32, from files and compares all
pairs, without what it takes to import the library.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
from common import alternate, heading, parse, row, run, seconds, table
from numpy.typing import NDArray

from transfergrid.similarity.factor import Factor
from transfergrid.similarity.measures import Pair

ACTIVATIONS, ROWS, CHANNELS = 20, 10_000, 512
MEASURES = ("mean_cca", "svcca", "cka")

Floats = NDArray[np.float64]
Values = dict[str, float]


def made(count: int, rows: int, channels: int, folder: Path) -> list[Path]:
    """Write activations that have some directions in common, as float32."""
    rng = np.random.default_rng(0)
    common = rng.normal(size=(rows, channels // 4))
    paths = []
    for number in range(count):
        sizes = 0.99 ** np.arange(channels)
        own = rng.normal(size=(rows, channels)) * sizes
        mixed = common @ rng.normal(size=(channels // 4, channels)) / np.sqrt(channels)
        paths.append(folder / f"{number:02}.npy")
        np.save(paths[-1], (own + mixed).astype(np.float32))
    return paths


def ours(paths: Sequence[Path]) -> list[Values]:
    factors = [Factor.of(np.load(path)) for path in paths]
    return [Pair.of(x, y).measure(MEASURES) for x, y in combinations(factors, 2)]


def usual(x: Floats, y: Floats) -> Values:
    """Compare (channels, rows) as it is usually done, each pair by itself."""
    x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    kernels = [np.linalg.norm(one @ other.T) ** 2 for one, other in ((x, y), (x, x), (y, y))]
    return {
        "mean_cca": usual_cca(x, y),
        "svcca": usual_cca(leading(x), leading(y)),
        "cka": float(kernels[0] / np.sqrt(kernels[1] * kernels[2])),
    }


def usual_cca(x: Floats, y: Floats) -> float:
    covariance = np.cov(x, y)
    p = len(x)
    roots = [inverse_root(covariance[:p, :p]), inverse_root(covariance[p:, p:])]
    _, rho, _ = np.linalg.svd(roots[0] @ covariance[:p, p:] @ roots[1])
    return float(rho.mean())


def inverse_root(covariance: Floats) -> Floats:
    values, vectors = np.linalg.eigh(np.linalg.pinv(covariance))
    root: Floats = (vectors * np.sqrt(np.abs(values))) @ vectors.T
    return root


def leading(x: Floats) -> Floats:
    _, values, vectors = np.linalg.svd(x, full_matrices=False)
    kept = np.searchsorted(np.cumsum(values**2), 0.99 * (values**2).sum()) + 1
    found: Floats = values[:kept, None] * vectors[:kept]
    return found


def main(words: Sequence[str] | None = None) -> None:
    def more(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)

    arguments = parse(__doc__, words, more=more)
    if arguments.folder:
        ours(sorted(arguments.folder.glob("*.npy")))
        return
    size = (4, 200, 16) if arguments.quick else (ACTIVATIONS, ROWS, CHANNELS)
    count, rows, channels = size
    heading("Similarity", f"{count} activations, {rows} x {channels}; runs: {arguments.runs}.")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = made(*size, folder)
        speed(paths, arguments.runs)
        memory(paths, folder)


def speed(paths: Sequence[Path], runs: int) -> None:
    loaded = [np.load(path).astype(np.float64).T.copy() for path in paths[:3]]
    timed = [(loaded[0], loaded[1]), (loaded[0], loaded[2])]
    mine = ours(paths[:2])[0]
    for name, value in usual(*timed[0]).items():
        np.testing.assert_allclose(value, mine[name], atol=1e-6, err_msg=name)
    times = alternate(
        {
            "similarity": partial(seconds, partial(ours, paths)),
            "the usual way": partial(seconds, lambda: [usual(*pair) for pair in timed]),
        },
        runs,
    )
    times["the usual way"] *= len(paths) * (len(paths) - 1) / 2 / len(timed)
    table(("what", "s, all pairs", "ratio"))
    for name, time in times.items():
        row(name, time, time / times["similarity"])


def memory(paths: Sequence[Path], folder: Path) -> None:
    program = [sys.executable, __file__, "--folder"]
    (folder / "none").mkdir()
    bare = run([*program, folder / "none"], folder).memory
    peak = run([*program, folder], folder).memory - bare
    shape = np.load(paths[0], mmap_mode="r").shape
    size = len(paths) * shape[0] * shape[1] * 8 / 2**20
    print()
    table(("what", "MiB", "over the activations in float64"))
    row("activations in float64", size, 1.0)
    row("similarity, at its largest", peak, peak / size)


if __name__ == "__main__":
    main()
