"""All pairs of 20 activations, n = 10,000, 512 channels: mean CCA, SVCCA and linear CKA.

The library takes each activation apart once and needs one product per pair. The usual way is that
of google/svcca's get_cca_similarity: per pair one covariance matrix of both sides, its blocks'
inverse roots, and an SVD; for SVCCA an SVD of either activation, and all of that again. It is
written here from the formulas, as it usually is, and not copied from that repository. It is timed
on two of the 190 pairs and scaled.

Packages compute a part of it: pytorch-cka debiased CKA, cca-zoo's CCA the mean correlation, and
rsatoolbox CKA, from distances between rows. Each is timed beside what the library takes for that
part of all pairs. Values are compared before anything is timed.

The memory is that of a program that reads the activations, float32, from files and compares all
pairs, without what it takes to import the library.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from common import Cost, heading, in_turns, median, parse, row, run, spent, table
from numpy.typing import NDArray
from peers_similarity import Activations, Peer, peers

from transfergrid.similarity.factor import Factor
from transfergrid.similarity.measures import Pair, compare

ACTIVATIONS, ROWS, CHANNELS = 20, 10_000, 512
MEASURES = ("mean_cca", "svcca", "cka")
PARTS = {"mean_cca": "mean CCA", "cka": "CKA", "cka_debiased": "debiased CKA"}
"""What packages compute."""
ALONE = {
    "mean_cca": ("mean_cca",),
    **dict.fromkeys(("cka", "cka_debiased"), ("cka", "cka_debiased")),
}
"""What of ours is timed beside each: both CKAs are of the same numbers."""

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


def ours(paths: Sequence[Path], measures: Sequence[str] = MEASURES) -> list[Values]:
    factors = [Factor.of(np.load(path)) for path in paths]
    return [Pair.of(x, y).measure(measures) for x, y in combinations(factors, 2)]


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
    note = f"{count} activations, {rows} x {channels}; runs: {arguments.runs}; threads: "
    heading("Similarity", note + f"{torch.get_num_threads()}.")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = made(*size, folder)
        speed(paths, arguments.runs)
        memory(paths, folder)


def speed(paths: Sequence[Path], runs: int) -> None:
    activations = [np.load(path) for path in paths]
    loaded = [one.astype(np.float64).T.copy() for one in activations[:3]]
    timed = [(loaded[0], loaded[1]), (loaded[0], loaded[2])]
    found = list(peers(activations))
    ways: dict[str, Callable[[], object]] = {
        "all": partial(ours, paths),
        "usual": lambda: [usual(*pair) for pair in timed],
        "leading": lambda: [leading(one) for one in loaded[:2]],
        **{str(part): partial(ours, paths, part) for part in {ALONE[one.measure] for one in found}},
        **{peer.name: peer.call for peer in found},
    }
    apart = differences(paths, timed[0], found, activations)
    taken = in_turns({name: partial(spent, way) for name, way in ways.items()}, runs)
    costs = {name: median(several) for name, several in taken.items()}
    pairs = len(paths) * (len(paths) - 1) / 2
    usually = scaled(costs["usual"], pairs / len(timed))
    twice = scaled(costs["leading"], pairs)
    once = scaled(costs["leading"], len(paths) / 2)
    hoisted = Cost(usually.wall - twice.wall + once.wall, usually.cpu - twice.cpu + once.cpu, 0.0)
    columns = ("s, all pairs", "processor, s", "ratio", "ratio of the processor")
    table(("what", *columns))
    for name, cost in (
        ("similarity", costs["all"]),
        ("the usual way", usually),
        ("the usual way, each SVD of an activation once", hoisted),
    ):
        row(name, cost.wall, cost.cpu, *ratios(cost, costs["all"]))
    if found:
        print()
        ours_too = ("similarity, s", "processor, s")
        table(("package", "part", "timed", *columns[:2], *ours_too, *columns[2:], "apart"), texts=3)
    for peer in found:
        cost, mine = scaled(costs[peer.name], peer.scale), costs[str(ALONE[peer.measure])]
        numbers = (cost.wall, cost.cpu, mine.wall, mine.cpu, *ratios(cost, mine))
        row(peer.name, PARTS[peer.measure], peer.timed, *numbers, apart[peer.name])


def differences(
    paths: Sequence[Path], pair: tuple[Floats, Floats], found: Sequence[Peer], all_: Activations
) -> dict[str, float]:
    """Compare values with ours; return by package how far they are apart at most."""
    mine = ours(paths[:2])[0]
    for name, value in usual(*pair).items():
        np.testing.assert_allclose(value, mine[name], atol=1e-6, err_msg=name)
    apart = {}
    factors = {
        rows: [Factor.of(one[:rows], rows_per_direction=1) for one in all_]
        for rows in {peer.rows for peer in found}
    }
    for peer in found:
        measured = [
            compare(factors[peer.rows][i], factors[peer.rows][j], [peer.measure])[peer.measure]
            for i, j in peer.pairs
        ]
        apart[peer.name] = float(np.abs(np.array(peer.call()) - measured).max())
        if peer.within is not None and not apart[peer.name] <= peer.within:
            raise SystemExit(f"{peer.name} differs from ours by {apart[peer.name]:.3g}.")
    return apart


def scaled(cost: Cost, by: float) -> Cost:
    return replace(cost, wall=cost.wall * by, cpu=cost.cpu * by)


def ratios(cost: Cost, mine: Cost) -> tuple[float, float]:
    return cost.wall / mine.wall, cost.cpu / mine.cpu


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
