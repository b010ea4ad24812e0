"""How far the weights of each layer have moved from where they started."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from transfergrid.models.parts import Parts

ALL = "all"
"""All parameters of a layer together, whatever they belong to."""
CALIBRATED = "calibrated"
FLAGS = ("zero_start", "zero_end", "not_finite", CALIBRATED)


@dataclass(frozen=True)
class Drift:
    """What training did to some parameters, taken as one vector.

    Attributes:
        layer: Their layer, a key of `Parts.layers`.
        group: Their group, a value of `Parts.groups`, or `ALL`.
        n: How many numbers they are.
        norm_start: Euclidean norm at the start.
        norm_change: Euclidean norm of end minus start.
        change: `norm_change` over `norm_start`; NaN where that is 0.
        cosine: Cosine of the angle between start and end, in [-1, 1]; NaN where one of them is 0.
        flags: Of `FLAGS`.
    """

    layer: str
    group: str
    n: int
    norm_start: float
    norm_change: float
    change: float
    cosine: float
    flags: tuple[str, ...]


def drifts(
    parts: Parts,
    start: Mapping[str, Tensor],
    end: Mapping[str, Tensor],
    calibrated: Collection[str] = (),
) -> list[Drift]:
    """Measure every layer, and within it every group of parameters; `ALL` of a layer comes first.

    Buffers are left out: running statistics follow the images, and no step moves them.

    Args:
        parts: The network's.
        start: Tensors at the start, by name.
        end: Tensors at the end, by name.
        calibrated: Batch norms whose scale and shift were set anew before they learned.
    """
    found = []
    reset = {f"{norm}.{name}" for norm in calibrated for name in ("weight", "bias")}
    for layer, names in parts.layers.items():
        own = [name for name in names if name in parts.groups]
        groups = dict.fromkeys(parts.groups[name] for name in own)
        members = {ALL: own} if own else {}
        members |= {group: [n for n in own if parts.groups[n] == group] for group in groups}
        for group, among in members.items():
            one = _drift(layer, group, among, start, end)
            flags = one.flags if reset.isdisjoint(among) else (*one.flags, CALIBRATED)
            found.append(replace(one, flags=flags))
    return found


def _drift(
    layer: str,
    group: str,
    names: Iterable[str],
    start: Mapping[str, Tensor],
    end: Mapping[str, Tensor],
) -> Drift:
    n, squares = 0, torch.zeros(4, dtype=torch.float64)
    for before, after in _pairs(names, start, end):
        n += before.numel()
        change = after - before
        squares += torch.stack([before @ before, after @ after, change @ change, before @ after])
    first, last, moved, product = squares.tolist()
    if not math.isfinite(first + last):
        nan = math.nan
        return Drift(layer, group, n, nan, nan, nan, nan, ("not_finite",))
    flags = [flag for flag, norm in zip(FLAGS, (first, last), strict=False) if norm == 0]
    cosine = product / math.sqrt(first * last) if not flags else math.nan
    return Drift(
        layer,
        group,
        n,
        norm_start=math.sqrt(first),
        norm_change=math.sqrt(moved),
        change=math.sqrt(moved / first) if first else math.nan,
        # Rounding alone leads beyond 1.
        cosine=max(-1.0, min(1.0, cosine)) if not flags else math.nan,
        flags=tuple(flags),
    )


def _pairs(
    names: Iterable[str], start: Mapping[str, Tensor], end: Mapping[str, Tensor]
) -> Iterator[tuple[Tensor, Tensor]]:
    for name in names:
        yield start[name].flatten().double(), end[name].flatten().double()
