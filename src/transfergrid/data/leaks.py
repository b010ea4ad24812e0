"""Near duplicates in two splits of a data set, and in two data sets, image by image.

They are found in the records of what caches were made from, which stay when the caches go.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from transfergrid.data.likeness import Flags, Numbers, Prints, Twins, apart, find_twins
from transfergrid.data.origin import Origin
from transfergrid.data.store import SPLITS, part_name
from transfergrid.data.twins import OTHERS, compared
from transfergrid.planning.grid import ALL


class Pair(NamedTuple):
    """Two images that are equal or nearly so.

    Attributes:
        image: Name of one of them.
        part: The split, or part of a data set in folds, that it is in.
        other: Name of the other one.
        other_part: The split or part of that one.
        rows: In how many of 256 bits their hashes along rows differ.
        columns: The same, along columns.
    """

    image: str
    part: str
    other: str
    other_part: str
    rows: int
    columns: int


@dataclass(frozen=True)
class Leak:
    """How many images of some have twins among others.

    Attributes:
        fold: The fold, or "all".
        split: What the first are: a split, or "all".
        other: What the others are.
        images: How many the first are.
        equal: How many of them have an equal one among the others.
        near: How many have a nearly equal one and none that is equal; None where that cannot be
            told.
        pairs: Every nearly equal or equal pair.
    """

    fold: str
    split: str
    other: str
    images: int
    equal: int
    near: int | None
    pairs: Iterator[Pair]


@dataclass(frozen=True)
class _Images:
    """All images that are compared, of one data set or of two."""

    names: Sequence[str]
    parts: Sequence[str]
    digests: Sequence[bytes]
    prints: Prints
    twins: Twins

    def leak(self, words: tuple[str, str, str], here: Flags, there: Flags, equal: Flags) -> Leak:
        """Count those `here` that have twins `there`; `equal` says which have equal ones."""
        near = self.twins.seen(there.astype(np.int64), 2)[1][:, 1] | equal
        rows = np.flatnonzero(here & near)
        count = int((here & near & ~equal).sum()) if self.twins.judged else None
        pairs = self._pairs(rows, there)
        return Leak(*words, int(here.sum()), int((here & equal).sum()), count, pairs)

    def _pairs(self, rows: Numbers, there: Flags) -> Iterator[Pair]:
        copies: dict[bytes, list[int]] = {}
        for row in np.flatnonzero(there).tolist():
            copies.setdefault(self.digests[row], []).append(row)
        for row in rows.tolist():
            twins = {*self.twins.of(row).tolist(), *copies.get(self.digests[row], ())} - {row}
            for other in sorted(twins):
                if there[other]:
                    differ = apart(self.prints[row], self.prints[other])
                    one, two = ((self.names[at], self.parts[at]) for at in (row, other))
                    yield Pair(*one, *two, *differ)


def within(origin: Origin, label: str, workers: int = 1) -> Iterator[Leak]:
    """Find images of a data set that look like one of a split that should not know them.

    Args:
        origin: The record of the data set.
        label: Its name, for the line of progress.
        workers: Threads that compare.
    """
    images = _images([origin], label, workers)
    parts, part = _parts(origin), np.array(origin.parts)
    place = np.array([parts.index(name) for name in origin.parts], np.int64)
    equal = images.twins.seen(place, len(parts))[0]
    for fold, split, other, first, second in compared(parts):
        here, there = (np.isin(part, [parts[at] for at in some]) for some in (first, second))
        yield images.leak(
            (fold, split, other), here, there, np.asarray(equal[:, second].any(axis=1))
        )


def between(
    one: Origin,
    other: Origin,
    label: str,
    workers: int = 1,
    folds: Sequence[tuple[str, str]] = (),
) -> Iterator[Leak]:
    """Find images of a data set that look like one of another, split by split.

    Images that were read from equal files are equal, whatever size they are cached in.

    Args:
        one: The record of the data set.
        other: The record of the other one.
        label: What is compared, for the line of progress.
        workers: Threads that compare.
        folds: Where both are cut into folds, the fold that networks are tested on and the one that
            the training before left out: so much of the other data set was learned. Empty compares
            with all of it.
    """
    images = _images([one, other], label, workers)
    first = np.repeat([True, False], [len(one.names), len(other.names)])
    part = np.array([*one.parts, *other.parts])
    splits = _parts(one)
    if not folds:
        equal = _equal(images, ~first)
        for split in splits if set(splits) == set(SPLITS) else [ALL]:
            here = first & np.isin(part, splits if split == ALL else [split])
            yield images.leak((ALL, split, ALL), here, ~first, equal)
    for fold, before in folds:
        here = first & (part == part_name(int(fold)))
        there = ~first & (part != part_name(int(before)))
        learned = OTHERS if before == fold else f"{OTHERS} of fold {before}"
        yield images.leak((fold, "test", learned), here, there, _equal(images, there))


def _equal(images: _Images, there: Flags) -> Flags:
    """Tell which images have an equal one `there`, by their pixels or by their files."""
    files = {images.digests[row] for row in np.flatnonzero(there).tolist()}
    by_pixels = images.twins.seen(there.astype(np.int64), 2)[0][:, 1]
    return np.asarray(by_pixels | np.array([digest in files for digest in images.digests]))


def _images(origins: Sequence[Origin], label: str, workers: int) -> _Images:
    prints = np.concatenate([origin.prints for origin in origins])
    px = min(origin.px for origin in origins)
    before = len(origins[0].names) if len(origins) > 1 else None
    twins = find_twins(prints, px, label, workers, before)
    names = [name for origin in origins for name in origin.names]
    parts = [part for origin in origins for part in origin.parts]
    digests = [digest for origin in origins for digest in origin.digests]
    return _Images(names, parts, digests, prints, twins)


def _parts(origin: Origin) -> list[str]:
    found = set(origin.parts)
    if found <= set(SPLITS):
        return list(SPLITS)
    return [part_name(number) for number in range(len(found))]
