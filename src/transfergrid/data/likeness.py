"""Which images are equal or nearly so, told by their pixels and by difference hashes.

A difference hash says of neighbouring fields of a coarse image which is the brighter one, so it
outlasts another size, another compression and another brightness (N. Krawetz, "Kind of like that",
The Hacker Factor Blog, 2013). Two are taken, along rows and along columns, because films of one
kind share much of either: among a thousand chest films there are pairs of different patients that
are near along rows alone, and none that is near along both.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from transfergrid.data.numbers import Pixels
from transfergrid.planning.alike import LEAST_PX
from transfergrid.runtime.progress import progress

BITS = 256
"""Bits of each of the two hashes of an image."""
NEAR = 24
"""Images are nearly equal if each of their two hashes differs in at most so many bits."""
MOST_PAIRS = 20_000_000
"""Nearly equal pairs beyond which hashes do not tell images of a set apart."""
PRINT = 96
"""Bytes that are remembered of an image: a SHA-256 and two hashes."""

_FIELDS = 16
_DIGEST = 4
_WORDS = BITS // 64
_SIEVE = (1, 2)
"""Words that are compared first, of the middle of an image, where images differ most; what differs
in more than `NEAR` of their bits differs in more of all."""
_ROWS, _COLUMNS = 16, 4096
"""Pairs compared at a time: as many as stay in a core's own cache."""
_STRIPE = 32 * _ROWS

Numbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Hashes = npt.NDArray[np.uint64]
Prints = npt.NDArray[np.uint64]
"""(N, 12): of each image the SHA-256 of its pixels, then its hashes along rows and columns."""


def print_of(pixels: Pixels) -> bytes:
    """Return what is remembered of an image, `PRINT` bytes.

    Args:
        pixels: (H, W) or (H, W, 3) uint8.

    Returns:
        The SHA-256 of its pixels, and its difference hashes along rows and along columns.
    """
    picture = Image.fromarray(pixels).convert("L")
    wide, high = (
        np.asarray(picture.resize(size, Image.Resampling.BOX))
        for size in ((_FIELDS + 1, _FIELDS), (_FIELDS, _FIELDS + 1))
    )
    bits = np.concatenate([(wide[:, 1:] > wide[:, :-1]).ravel(), (high[1:] > high[:-1]).ravel()])
    digest = hashlib.sha256(np.ascontiguousarray(pixels).data).digest()
    return digest + np.packbits(bits).tobytes()


def prints_of(data: bytes) -> Prints:
    """Return what is remembered of several images, from the bytes of one after the other."""
    return np.frombuffer(data, np.uint64).reshape(-1, PRINT // 8)


@dataclass(frozen=True)
class Twins:
    """Which of N images are equal or nearly so.

    Attributes:
        same: (N,) int64, a number for each content of pixels.
        kind: (N,) int64, a number for each pair of hashes, which equal images share.
        near: (K, 2) int64, pairs of these numbers whose hashes are nearly equal, lower first.
        judged: Whether hashes tell these images apart; if not, `kind` is `same`, and only equal
            images are twins.
    """

    same: Numbers
    kind: Numbers
    near: Numbers
    judged: bool

    def groups(self) -> Numbers:
        """Return a number for each image, (N,): that of all that a chain of twins connects."""
        kinds = connected_components(self._graph, directed=False)[1]
        return np.asarray(kinds, np.int64)[self.kind]

    def seen(self, places: Numbers, count: int) -> tuple[Flags, Flags]:
        """Tell in which places each image has a twin, itself left out.

        Args:
            places: (N,) int64, where each image is, from 0.
            count: Number of places.

        Returns:
            (N, count) bool: whether an equal image is there; whether a nearly equal or equal one.
        """
        here = np.zeros((self._graph.shape[0], count), np.int64)
        here[self.kind, places] = 1
        around = (self._graph @ here)[self.kind] > 0
        return seen_again(self.same, places, count), seen_again(self.kind, places, count) | around

    def of(self, row: int) -> Numbers:
        """Return the rows of an image's twins, in order, itself left out."""
        order, starts = self._rows
        kind = int(self.kind[row])
        graph = self._graph
        kinds = [kind, *graph.indices[graph.indptr[kind] : graph.indptr[kind + 1]].tolist()]
        rows = np.concatenate([order[starts[one] : starts[one + 1]] for one in kinds])
        return np.sort(rows[rows != row])

    @cached_property
    def _rows(self) -> tuple[Numbers, Numbers]:
        """The rows in the order of their kinds, and where each kind's begin."""
        counts = np.bincount(self.kind)
        return np.argsort(self.kind, kind="stable"), np.concatenate([[0], np.cumsum(counts)])

    @cached_property
    def _graph(self) -> csr_array:
        first, second = self.near.T
        both = np.concatenate([first, second]), np.concatenate([second, first])
        kinds = int(self.kind.max(initial=-1)) + 1
        return csr_array((np.ones(2 * len(first), np.int64), both), shape=(kinds, kinds))


def seen_again(of: Numbers, places: Numbers, count: int) -> Flags:
    """Tell in which places there is another image with an image's number.

    Args:
        of: (N,) int64, a number for each image.
        places: (N,) int64, where each image is, from 0.
        count: Number of places.

    Returns:
        (N, count) bool.
    """
    found = np.zeros((int(of.max(initial=-1)) + 1, count), np.int64)
    np.add.at(found, (of, places), 1)
    others = found[of]
    others[np.arange(len(of)), places] -= 1
    return others > 0


def find_twins(
    prints: Prints, px: int, label: str, workers: int = 1, before: int | None = None
) -> Twins:
    """Compare images with each other.

    Args:
        prints: (N, 12) uint64, what is remembered of each of them.
        px: Side of the smallest of the images.
        label: What is compared, for the line of progress.
        workers: Threads that compare.
        before: If given, images before this place are only compared with those from it on.

    Returns:
        Their twins. Of images below `LEAST_PX`, or with more than `MOST_PAIRS` nearly equal pairs,
        hashes say nothing.
    """
    same = _numbered(prints[:, :_DIGEST])[1]
    only_equal = Twins(same, same, np.empty((0, 2), np.int64), judged=False)
    if px < LEAST_PX:
        return only_equal
    kinds, like = _numbered(prints[:, _DIGEST:])
    if before is None:
        near = _near(kinds, np.arange(len(kinds)), None, label, workers)
    else:
        first, second = np.unique(like[:before]), np.unique(like[before:])
        near = _near(kinds, first, second, label, workers)
    return only_equal if near is None else Twins(same, like, near, judged=True)


def apart(one: Prints, other: Prints) -> tuple[int, int]:
    """Return in how many of 256 bits two images' hashes differ, along rows and along columns."""
    differ = np.bitwise_count(one[_DIGEST:] ^ other[_DIGEST:])
    return int(differ[:_WORDS].sum()), int(differ[_WORDS:].sum())


def _numbered(words: Prints) -> tuple[Hashes, Numbers]:
    """Return the distinct rows, and the number of each row among them."""
    kinds, numbers = np.unique(words, axis=0, return_inverse=True)
    return kinds, numbers.reshape(-1)


def _near(
    kinds: Hashes, first: Numbers, second: Numbers | None, label: str, workers: int
) -> Numbers | None:
    """Return pairs of nearly equal hashes, among `first`, or between `first` and `second`."""
    others = first if second is None else second
    left = np.ascontiguousarray(kinds[first].T)
    right = left if second is None else np.ascontiguousarray(kinds[others].T)
    starts = range(0, len(first), _STRIPE)
    found, count = [], 0
    with ThreadPoolExecutor(workers) as executor:

        def look(start: int) -> Numbers:
            # Among themselves, hashes are compared with those that come after, and a few before.
            begin = start if second is None else 0
            row, column = _stripe(left[:, start : start + _STRIPE], right, begin)
            pairs = np.sort(np.stack([first[start + row], others[column]], axis=1), axis=1)
            return np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)

        waiting = executor.map(look, starts)
        for pairs in progress(waiting, len(starts), f"comparing {label}"):
            found.append(pairs)
            count += len(pairs)
            if count > MOST_PAIRS:
                executor.shutdown(wait=True, cancel_futures=True)
                return None
    pairs = np.concatenate([np.empty((0, 2), np.int64), *found])
    return np.unique(pairs, axis=0)


def _stripe(left: Hashes, right: Hashes, begin: int) -> tuple[Numbers, Numbers]:
    """Return the columns of nearly equal hashes in two blocks, those of `right` from `begin`."""
    rows, columns = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    differ = np.empty((_ROWS, _COLUMNS), np.uint64)
    bits, sum_of_bits = np.empty_like(differ, np.uint8), np.empty_like(differ, np.uint8)
    for row in range(0, left.shape[1], _ROWS):
        some = left[:, row : row + _ROWS]
        for column in range(begin, right.shape[1], _COLUMNS):
            few = right[:, column : column + _COLUMNS]
            here = np.s_[: some.shape[1], : few.shape[1]]
            sum_of_bits[here] = 0
            for word in _SIEVE:
                np.bitwise_xor(some[word][:, None], few[word], out=differ[here])
                np.bitwise_count(differ[here], out=bits[here])
                np.add(sum_of_bits[here], bits[here], out=sum_of_bits[here])
            a, b = np.nonzero(sum_of_bits[here] <= NEAR)
            if len(a):
                found = np.bitwise_count(some[:, a] ^ few[:, b]).reshape(2, _WORDS, -1).sum(1)
                kept = (found <= NEAR).all(axis=0)
                rows.append(a[kept] + row)
                columns.append(b[kept] + column)
    return np.concatenate(rows), np.concatenate(columns)
