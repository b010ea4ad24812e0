"""Activations drawn for tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def uneven(rng: np.random.Generator, rows: int, channels: int) -> Floats:
    """Draw an activation whose directions differ in size, as those of a network do."""
    return rng.normal(size=(rows, channels)) * 0.9 ** np.arange(channels) + rng.normal(
        size=channels
    )


def related(rng: np.random.Generator, x: Floats, channels: int, noise: float = 1.0) -> Floats:
    """Draw an activation that is in part a linear map of another one."""
    mapped = x @ rng.normal(size=(x.shape[1], channels)) / np.sqrt(x.shape[1])
    return mapped + noise * rng.normal(size=(len(x), channels)) * 0.9 ** np.arange(channels)


def invertible(rng: np.random.Generator, channels: int) -> Floats:
    """Draw a matrix that is far from singular and from a rotation."""
    return rotation(rng, channels) * np.exp(rng.uniform(-3, 3, channels)) @ rotation(rng, channels)


def rotation(rng: np.random.Generator, channels: int) -> Floats:
    """Draw an orthogonal matrix."""
    return np.linalg.qr(rng.normal(size=(channels, channels)))[0]
