"""Images decoded and resized, a few at a time, ahead of whoever stores them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from transfergrid.data.images import CHANNELS, RULES, ImageFiles, decoded, resize
from transfergrid.data.likeness import print_of
from transfergrid.data.manifest import Images, choice
from transfergrid.data.numbers import Pixels
from transfergrid.data.survey import Seen
from transfergrid.runtime.errors import UserError

AT_ONCE = 8
"""Images that a worker is handed at a time."""
_AHEAD = 2
"""Blocks per worker decoded ahead of the writer: bounds memory and keeps the workers busy."""


@dataclass(frozen=True)
class Form:
    """The form of every image in a cache."""

    px: int
    rule: str
    channels: str

    @classmethod
    def declared(cls, declaration: Mapping[str, Any]) -> Form:
        """Take it from a data set's settings."""
        px = declaration.get("image_px")
        if not isinstance(px, int) or px < 1:
            raise UserError(f"image_px is '{px}'; give the images' side as a whole number above 0.")
        rule = choice(declaration, "resize", RULES)
        return cls(px, rule, choice(declaration, "channels", CHANNELS))

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return (self.px, self.px) if self.channels == "grey" else (self.px, self.px, 3)


@dataclass(frozen=True)
class Broken:
    """An image that could not be read: its name, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Block:
    """Images in a row, (N, *shape) uint8, what was seen of them, and those that are broken."""

    pixels: Pixels
    seen: tuple[Seen, ...]
    broken: tuple[Broken, ...]

    def __len__(self) -> int:
        return len(self.pixels)


def blocks_of(
    executor: ThreadPoolExecutor,
    images: Images,
    form: Form,
    splits: Sequence[npt.NDArray[np.intp]],
    workers: int,
) -> Iterator[Block]:
    """Yield each split's images in order, a few at once, while the next ones are decoded."""
    ahead = _AHEAD * workers
    parts = [
        rows[start : start + AT_ONCE] for rows in splits for start in range(0, len(rows), AT_ONCE)
    ]
    waiting: deque[Future[Block]] = deque()
    try:
        for number, part in enumerate(parts):
            if len(waiting) == ahead:
                yield waiting.popleft().result()
            later = parts[number + ahead] if number + ahead < len(parts) else part[:0]
            waiting.append(executor.submit(_decode, images, form, part, later))
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def _decode(
    images: Images, form: Form, rows: npt.NDArray[np.intp], later: npt.NDArray[np.intp]
) -> Block:
    """Decode images, once those that come later are on their way from the disk."""
    if isinstance(images, ImageFiles):
        for index in later.tolist():
            images.fetch(index)
    pixels = np.zeros((len(rows), *form.shape), np.uint8)
    seen, broken = [], []
    for place, index in enumerate(rows.tolist()):
        try:
            image = decoded(images, index)
            pixels[place] = resize(image.pixels, form.px, form.rule, form.channels)
        except (OSError, ValueError) as error:
            broken.append(Broken(images.name(index), str(error)))
        else:
            seen.append(Seen(index, image.sha256, image.look, print_of(pixels[place])))
    return Block(pixels, tuple(seen), tuple(broken))
