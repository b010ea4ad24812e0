"""What a data set's owner should know about its images before believing a number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from transfergrid.data.decoding import COLOURED, CONSTANT, PAGES, TRANSPARENT, TURNED, Look
from transfergrid.data.likeness import Prints, prints_of
from transfergrid.runtime.errors import UserError, listed

if TYPE_CHECKING:
    from transfergrid.data.manifest import Manifest  # pandas, which this module does without

_SHOWN = 3
_SMALL = 0.5
"""Share of their range below which a set's images are reported; their white may be another."""
_DIM = 1 / 16
"""The same for one image: 12 bits of 16."""
_DIM_TRAIT = "dim"
_DIGEST = 32

_TOLD = {
    CONSTANT: ("image has a single level throughout", "images have a single level throughout"),
    PAGES: (
        "file holds several pages or frames, of which the first is read",
        "files hold several pages or frames, of which the first is read",
    ),
    TRANSPARENT: (
        "image has transparent pixels, which are laid over black",
        "images have transparent pixels, which are laid over black",
    ),
    TURNED: (
        "image was turned, as its orientation says",
        "images were turned, as their orientation says",
    ),
    COLOURED: (
        "image has colours, of which `channels: grey` keeps only the brightness",
        "images have colours, of which `channels: grey` keeps only the brightness",
    ),
    _DIM_TRAIT: (
        "image uses less than a sixteenth of its range",
        "images use less than a sixteenth of their range",
    ),
}


class Seen(NamedTuple):
    """What is remembered of an image.

    Attributes:
        place: Its row in the manifest.
        sha256: 32 bytes, see `transfergrid.data.images.Decoded`.
        look: What was seen of it.
        cached: What `transfergrid.data.likeness` remembers of it; empty where it is not cached.
    """

    place: int
    sha256: bytes
    look: Look
    cached: bytes = b""


@dataclass
class _Some:
    """How many images have a trait, and the first of them."""

    count: int = 0
    first: list[int] = field(default_factory=list)

    def add(self, place: int) -> None:
        self.count += 1
        if len(self.first) < _SHOWN:
            self.first.append(place)


@dataclass
class _Range(_Some):
    """The range of numbers in all images of one depth."""

    low: float = float("inf")
    high: float = float("-inf")


class Survey:
    """Looks at one image after another, and says at the end what it saw.

    Args:
        name: Gives an image's name by its place in the manifest.
        grey: Whether the data set is read as grey.
    """

    def __init__(self, name: Callable[[int], str], grey: bool) -> None:
        self._name, self._grey = name, grey
        self._traits = {trait: _Some() for trait in _TOLD}
        self._ranges: dict[tuple[int, int], _Range] = {}
        self._places: list[int] = []
        self._digests = bytearray()
        self._prints = bytearray()

    def add(self, image: Seen) -> None:
        """Look at an image."""
        self._places.append(image.place)
        self._digests += image.sha256
        self._prints += image.cached
        place, look = image.place, image.look
        for trait in look.traits:
            self._traits[trait].add(place)
        if look.high - look.low <= _DIM * (look.white - look.black) and CONSTANT not in look.traits:
            self._traits[_DIM_TRAIT].add(place)
        span = self._ranges.setdefault((look.black, look.white), _Range())
        span.add(place)
        span.low, span.high = min(span.low, look.low), max(span.high, look.high)

    @property
    def digests(self) -> dict[int, bytes]:
        """SHA-256 of each image by its place in the manifest."""
        digests = bytes(self._digests)
        return {
            place: digests[row * _DIGEST : (row + 1) * _DIGEST]
            for row, place in enumerate(self._places)
        }

    @property
    def contents(self) -> npt.NDArray[np.int64]:
        """A number for each content, byte for byte, of each image in the order of the manifest."""
        digests = np.frombuffer(bytes(self._digests), np.uint64).reshape(-1, _DIGEST // 8)
        numbers = np.unique(digests, axis=0, return_inverse=True)[1].reshape(-1)
        return numbers[np.argsort(self._places, kind="stable")]

    @property
    def prints(self) -> Prints:
        """What is remembered of each image as it is cached, in the order of the manifest."""
        return prints_of(bytes(self._prints))[np.argsort(self._places, kind="stable")]

    def warnings(self) -> list[str]:
        """Return a sentence on everything that was seen, in single images and in all of them."""
        found = [
            told for ends, span in self._ranges.items() if (told := self._of_range(*ends, span))
        ]
        unsaid = set() if self._grey else {COLOURED}
        if found:
            unsaid.add(_DIM_TRAIT)  # that sentence says it about all of them
        for trait, some in self._traits.items():
            if some.count and trait not in unsaid:
                words = _TOLD[trait][some.count > 1]
                found.append(f"{some.count} {words}: {self._names(some)}.")
        return found

    def _names(self, some: _Some) -> str:
        names = ", ".join(self._name(place) for place in some.first)
        return f"{names}, ..." if some.count > len(some.first) else names

    def _of_range(self, black: int, white: int, span: _Range) -> str:
        """Say that images use a small part of their range; nothing if they do not."""
        if span.high - span.low >= _SMALL * (white - black) or span.high <= span.low:
            return ""
        told = (
            f"The numbers in {span.count} image(s) ({self._names(span)}) go from {span.low:g} to "
            f"{span.high:g} and are read as if from {black} (black) to {white} (white)"
        )
        if black == 0 <= span.low and white > 255:
            bits = max(int(span.high).bit_length(), 8)
            return f"{told}; if they have {bits} bits, give the data set `white: {2**bits - 1}`."
        return f"{told}; if that is not their range, give the data set `white` and `black`."

    def duplicates(self, manifest: Manifest, allowed: bool) -> list[str]:
        """Return sentences on images that are equal byte for byte, one per pair of splits.

        Args:
            manifest: The manifest, with the split, or part, of each image.
            allowed: Whether they may be in two splits.

        Raises:
            UserError: Some are in two splits, and that is not allowed.
        """
        split, in_folds = manifest.table["split"].tolist(), manifest.folds is not None
        within: dict[str, list[str]] = {}
        across: dict[str, list[str]] = {}
        for group in self._equal():
            names = [self._name(self._places[row]) for row in group]
            splits = [split[self._places[row]] for row in group]
            if len(set(splits)) == 1:
                within.setdefault(splits[0], []).append(" = ".join(names))
                continue
            firsts = [splits.index(split) for split in dict.fromkeys(splits)]
            pair = " = ".join(f"{names[row]} ({splits[row]})" for row in firsts)
            across.setdefault(" and ".join(splits[row] for row in firsts), []).append(pair)
        if across and not allowed:
            pairs = [pair for group in across.values() for pair in group]
            mend = "keep each in one split"
            if in_folds:
                mend = (
                    "give equal images one group (group: duplicates, or folds.group_column of "
                    "kind csv or mask_table)"
                )
            elif manifest.drawn:
                mend = "keep them in one (group: duplicates)"
            raise UserError(
                f"{len(pairs)} image(s) are in more than one {'part' if in_folds else 'split'}, "
                f"equal byte for byte: {listed(pairs, 5)}; {mend}, or "
                "allow it with the data set's `duplicates: allow`."
            )
        told = [
            f"{len(pairs)} image(s) are in {splits}, equal byte for byte: {listed(pairs, _SHOWN)}."
            for splits, pairs in across.items()
        ]
        return told + [
            f"{len(pairs)} image(s) of {place} are there more than once, equal byte for byte: "
            f"{listed(pairs, _SHOWN)}."
            for place, pairs in within.items()
        ]

    def _equal(self) -> list[Sequence[int]]:
        """Return the rows of equal images, group by group, in the order of the manifest."""
        digests = np.frombuffer(bytes(self._digests), dtype=f"S{_DIGEST}")
        order = np.argsort(digests, kind="stable")
        same = digests[order][1:] == digests[order][:-1]
        groups = np.split(order, np.flatnonzero(~same) + 1)
        return sorted(group.tolist() for group in groups if len(group) > 1)
