"""The house colours, and each pretraining's mark: what the page needs of the figures' style.

Without matplotlib, so that the page starts without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from transfergrid.runtime.hashing import short_hash

INK = "#1c2024"
MUTED = "#5f6773"
LINE = "#dfe2e6"
PAPER = "#ffffff"
BASELINE = "#777c86"
# Okabe and Ito's colours and a dark one: told apart with every kind of colour vision.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#3c9ad1", "#882255")
MARKERS = ("s", "D", "^", "v", "P", "X")


@dataclass(frozen=True)
class Mark:
    """The colour and the marker of one pretraining, the same in every figure."""

    colour: str
    marker: str


NAMED = {
    "random": Mark(BASELINE, "o"),
    "imagenet": Mark(PALETTE[1], "D"),
    "shapes": Mark(PALETTE[0], "s"),
    "statistics": Mark(PALETTE[2], "^"),
}
"""Marks of the pretrainings that the project's own studies name, kept free for them."""


def marks_of(pretrainings: Iterable[str]) -> dict[str, Mark]:
    """Give each pretraining its mark; its name decides which, as far as the others leave it.

    Two names of a study have one colour only where there are more names than colours, and then
    different markers: the later in the alphabet gives way. They have one marker only where there
    are more names than markers, so that they can be told apart in print and by every eye.
    """
    names = dict.fromkeys(pretrainings)
    marks = {name: NAMED[name] for name in names if name in NAMED}
    for name in sorted(set(names) - set(NAMED)):
        wishes = list(_wishes(name))
        colours = {mark.colour for mark in marks.values()}
        markers = {mark.marker for mark in marks.values()}
        unused = [mark for mark in wishes if mark.colour not in colours]
        alone = (mark for mark in unused if mark.marker not in markers)
        free = (mark for mark in wishes if mark not in marks.values())
        marks[name] = next(alone, None) or next(iter(unused), None) or next(free, wishes[0])
    return {name: marks[name] for name in names}


def _wishes(name: str) -> Iterator[Mark]:
    """Yield every mark, the favourites first and the colours of `NAMED` last."""
    named = {mark.colour for mark in NAMED.values()}
    own = [colour for colour in PALETTE if colour not in named]
    number = int(short_hash(name), 16)
    first, turn = number % len(own), number // len(own)
    kept_free = [colour for colour in PALETTE if colour in named]
    for colour in [*own[first:], *own[:first], *kept_free]:
        for j in range(len(MARKERS)):
            yield Mark(colour, MARKERS[(turn + j) % len(MARKERS)])
