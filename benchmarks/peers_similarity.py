"""What other packages compute of the similarity of activations, each called as its users do."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import torch
from common import peer
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader

BATCH = 256
"""Rows of a batch, where a package sees a few rows at a time."""
GROUP = 5
"""Activations that are compared with as many others in one call, which takes 7 GB."""
FEWER = 5
"""A package that keeps a number for each pair of rows is given a fifth of them."""

Activations = Sequence[NDArray[np.float32]]
Pairs = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Peer:
    """A part of the comparison by one package.

    Attributes:
        name: The package, and how it is called.
        measure: What it computes, by our name.
        timed: What of it is timed, in words.
        pairs: The activations that are compared.
        call: Compares them; returns a value for each of `pairs`.
        scale: By what its time is multiplied to be that of all pairs.
        rows: Rows that it is given.
        within: How far its values may be from ours; None if it estimates something else.
    """

    name: str
    measure: str
    timed: str
    pairs: Pairs
    call: Callable[[], Sequence[float]]
    scale: float
    rows: int
    within: float | None


def peers(activations: Activations) -> Iterator[Peer]:
    """Yield every comparison whose package is installed.

    Args:
        activations: (n, p) each, as they are stored.
    """
    if peer("cka"):
        yield from _pytorch_cka(activations)
    if peer("cca_zoo"):
        yield _cca_zoo(activations)
    if peer("rsatoolbox"):
        yield _rsatoolbox(activations)


def _pytorch_cka(activations: Activations) -> Iterator[Peer]:
    package = importlib.import_module("cka")
    tensors = [torch.from_numpy(one) for one in activations]
    count, rows = len(tensors), len(tensors[0])
    every = count * (count - 1) / 2

    def in_pairs(pairs: Pairs) -> list[float]:
        return [float(package.cka_from_features(tensors[i], tensors[j])) for i, j in pairs]

    def in_groups(size: int) -> list[float]:
        found = package.cka_from_features(tensors[:size], tensors[-size:])
        return [float(one) for one in found.flatten()]

    def in_batches() -> list[float]:
        model = _Layers(tensors)
        loader = DataLoader(torch.arange(rows), batch_size=BATCH)  # type: ignore[arg-type]
        layers = list(model.names)
        (found,) = package.compute_cka(model, model, loader, layers=layers, progress=False)
        return [float(found[i, j]) for i, j in combinations(range(count), 2)]

    first = [(0, 1), (0, 2)]
    size = min(GROUP, count // 2)
    groups = count / size
    calls = groups * (groups + 1) / 2
    across = [(i, j) for i in range(size) for j in range(count - size, count)]
    all_pairs = list(combinations(range(count), 2))
    about = ("cka_debiased", "2 pairs", first, partial(in_pairs, first), every / 2, rows, 1e-3)
    yield Peer("pytorch-cka, pair by pair", *about)
    told = f"{size} against {size}"
    about = ("cka_debiased", told, across, partial(in_groups, size), calls, rows, 1e-3)
    yield Peer(f"pytorch-cka, {told}", *about)
    about = ("cka_debiased", "all pairs", all_pairs, in_batches, 1.0, rows, None)
    yield Peer(f"pytorch-cka, {BATCH} rows at a time: another estimate", *about)


class _Layers(nn.Module):
    """Stored activations as the layers of a network whose input are the numbers of rows."""

    def __init__(self, tensors: Sequence[torch.Tensor]) -> None:
        super().__init__()
        self.tensors = tensors
        self.layers = nn.ModuleList(nn.Identity() for _ in tensors)
        self.names = [f"layers.{number}" for number in range(len(tensors))]

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        for tensor, layer in zip(self.tensors, self.layers, strict=True):
            layer(tensor[rows])
        return rows


def _cca_zoo(activations: Activations) -> Peer:
    linear: Any = importlib.import_module("cca_zoo.linear")
    pairs = [(0, 1), (0, 2)]
    needed = [one.astype(np.float64) for one in activations[:3]]
    components = needed[0].shape[1]

    def compared() -> list[float]:
        return [
            float(linear.CCA(n_components=components).fit(views).score(views))
            for views in ([needed[i], needed[j]] for i, j in pairs)
        ]

    every = len(activations) * (len(activations) - 1) / 2
    about = ("mean_cca", "2 pairs", pairs, compared, every / 2, len(needed[0]), 1e-6)
    return Peer("cca-zoo, CCA, pair by pair", *about)


def _rsatoolbox(activations: Activations) -> Peer:
    data: Any = importlib.import_module("rsatoolbox.data")
    rdm: Any = importlib.import_module("rsatoolbox.rdm")
    rows = len(activations[0]) // FEWER
    fewer = [one[:rows].astype(np.float64) for one in activations]
    pairs = list(combinations(range(len(fewer)), 2))

    def compared() -> list[float]:
        distances = rdm.calc_rdm([data.Dataset(one) for one in fewer], method="euclidean")
        found = rdm.compare(distances, distances, method="cosine_cov")
        return [float(found[i, j]) for i, j in pairs]

    told = f"all pairs of {rows} rows"
    about = ("cka", told, pairs, compared, float(FEWER**2), rows, 1e-6)
    return Peer("rsatoolbox, whitened cosine of distances", *about)
