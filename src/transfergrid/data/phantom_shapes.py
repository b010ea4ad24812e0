"""A source set with nothing medical in it: full-field textures in eight classes, to pretrain on.

Classes differ in their pattern and in nothing else: frequency, phase, contrast, polarity,
sharpness, tilt, lighting and noise are drawn at random for every image, and no class turns into
another when an image is flipped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from transfergrid.data.phantom_brush import Array, cloud, length, turned
from transfergrid.runtime.hashing import seeded

CLASSES = (
    "horizontal_bars",
    "vertical_bars",
    "diagonal_bars",
    "checks",
    "rings",
    "rays",
    "spirals",
    "patches",
)


@dataclass(frozen=True)
class DrawnShapes:
    """Textures drawn when they are read, as a manifest has them.

    Attributes:
        px: Side of the images.
        keys: Seed, split and number of each image; they determine it completely.
    """

    px: int
    keys: tuple[tuple[int, str, int], ...]

    def __len__(self) -> int:
        return len(self.keys)

    def read(self, index: int) -> npt.NDArray[np.uint8]:
        """Draw an image: (px, px) uint8."""
        return draw_shape(*self.keys[index], self.px)

    def name(self, index: int) -> str:
        """Return the image's name."""
        _, split, number = self.keys[index]
        return shape_name(split, number)


def shape_name(split: str, number: int) -> str:
    """Return the name of an image: its split and number."""
    return f"{split}/shape{number + 1:05d}"


def shape_class(number: int) -> int:
    """Return an image's class; classes take turns, so each split is balanced."""
    return number % len(CLASSES)


def draw_shape(seed: int, split: str, number: int, px: int) -> npt.NDArray[np.uint8]:
    """Draw image `number` of a split as (px, px) uint8."""
    draw = np.random.default_rng(seeded("phantom", "shapes", seed, split, number))
    axis = np.linspace(-1, 1, px, dtype=np.float32)
    x = np.broadcast_to(axis[None, :], (px, px))
    y = np.broadcast_to(axis[:, None], (px, px))
    bend = cloud(draw.normal(0, 0.05, (6, 6)).astype(np.float32), px, px)
    own = _PATTERNS[shape_class(number)](draw, x + bend, y - bend)
    other = _PATTERNS[int(draw.integers(len(CLASSES)))](draw, x, y)
    sharpness = float(draw.uniform(1, 6))
    wave = np.tanh(sharpness * own) / np.tanh(np.float32(sharpness))
    wave = wave + float(draw.uniform(0, 0.15)) * other
    contrast = float(draw.uniform(50, 100)) * (1 if draw.random() < 0.5 else -1)
    light = cloud(draw.normal(0, 15, (4, 4)).astype(np.float32), px, px)
    noise = float(draw.uniform(3, 14)) * draw.standard_normal((px, px), dtype=np.float32)
    grey = float(draw.uniform(95, 160)) + contrast * wave + light + noise
    return np.clip(grey, 0, 255).astype(np.uint8)


def _bars(middle: float) -> Callable[[np.random.Generator, Array, Array], Array]:
    def draw_bars(draw: np.random.Generator, x: Array, y: Array) -> Array:
        along, _ = turned(x, y, middle + float(draw.normal(0, 0.10)))
        return np.sin(float(draw.uniform(11, 21)) * along + float(draw.uniform(0, 2 * np.pi)))

    return draw_bars


def _diagonal(draw: np.random.Generator, x: Array, y: Array) -> Array:
    return _bars(np.pi / 4 if draw.random() < 0.5 else -np.pi / 4)(draw, x, y)


def _checks(draw: np.random.Generator, x: Array, y: Array) -> Array:
    u, v = turned(x, y, float(draw.normal(0, 0.25)))
    frequency, phase = float(draw.uniform(6, 10)), draw.uniform(0, 2 * np.pi, 2).tolist()
    product: Array = np.sin(frequency * u + phase[0]) * np.sin(frequency * v + phase[1])
    return 1.5 * product


def _polar(draw: np.random.Generator, x: Array, y: Array) -> tuple[Array, Array]:
    centre_x, centre_y = draw.normal(0, 0.25, 2).tolist()
    return length(x - centre_x, y - centre_y), np.arctan2(y - centre_y, x - centre_x)


def _rings(draw: np.random.Generator, x: Array, y: Array) -> Array:
    radius, _ = _polar(draw, x, y)
    return np.sin(float(draw.uniform(12, 22)) * radius + float(draw.uniform(0, 2 * np.pi)))


def _rays(draw: np.random.Generator, x: Array, y: Array) -> Array:
    _, angle = _polar(draw, x, y)
    return np.sin(int(draw.integers(5, 11)) * angle + float(draw.uniform(0, 2 * np.pi)))


def _spirals(draw: np.random.Generator, x: Array, y: Array) -> Array:
    radius, angle = _polar(draw, x, y)
    arms = int(draw.integers(3, 6)) * (1 if draw.random() < 0.5 else -1)
    return np.sin(arms * angle + float(draw.uniform(4, 8)) * radius)


def _patches(draw: np.random.Generator, x: Array, y: Array) -> Array:
    count = int(draw.integers(7, 14))
    knots = draw.normal(0, 1.3, (count, count)).astype(np.float32)
    return cloud(knots, *x.shape)


_PATTERNS = (
    _bars(np.pi / 2),
    _bars(0.0),
    _diagonal,
    _checks,
    _rings,
    _rays,
    _spirals,
    _patches,
)
