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
"""Marks of the pretrainings that the project's own studies name; no other one has their colours."""


def marks_of(pretrainings: Iterable[str]) -> dict[str, Mark]:
    """Give each pretraining its mark, which its name decides: one colour in every study.

    Where two names of a study would have the same mark, the later in the alphabet takes another
    marker; a name changes its colour only where there are more names than a colour has markers.
    """
    names = dict.fromkeys(pretrainings)
    marks = {name: NAMED[name] for name in names if name in NAMED}
    for name in sorted(set(names) - set(NAMED)):
        wishes = list(_wishes(name))
        free = (mark for mark in wishes if mark not in marks.values())
        marks[name] = next(free, wishes[0])
    return {name: marks[name] for name in names}


def _wishes(name: str) -> Iterator[Mark]:
    taken = {mark.colour for mark in NAMED.values()}
    colours = [colour for colour in PALETTE if colour not in taken]
    number = int(short_hash(name), 16)
    turn = number // len(colours)
    for i in range(len(colours)):
        for j in range(len(MARKERS)):
            colour = colours[(number + i) % len(colours)]
            yield Mark(colour, MARKERS[(turn + j) % len(MARKERS)])
