"""Masks written as run lengths: pairs of start and length, as in Kaggle's tables, or COCO's counts.

All of them run down the columns, from the left. Three forms are in use, and no text tells which one
it is in, so a data set names its form:

* ``relative``: pairs; a start is counted from the end of the run before, from 0; ``-1`` is a mask
  without a pixel. So it is in SIIM-ACR's tables: read in the competition's `mask_functions.py` and
  in rows of its description, as prasadsawant5/kaggle-pneumothorax has them (@ f37dfeb and 14f735a).
* ``absolute``: pairs; a start is the number of a pixel, the first being 1. So it is in most other
  tables of Kaggle.
* ``coco``: lengths of runs outside and inside by turns, as numbers or as COCO's compressed text.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from transfergrid.data import rle

FORMS = ("relative", "absolute", "coco")
NOTHING = "-1"
"""What stands in a table for a mask without a pixel."""

_DIGITS = 12
"""Digits of a number at most: sums of more could pass what 64 bits hold, and no film needs them."""

Runs = str | Sequence[int]


def decode_runs(runs: Runs, size: tuple[int, int], form: str) -> npt.NDArray[np.bool_]:
    """Return a mask that was written as run lengths.

    Args:
        runs: Text; or numbers, of the form "coco".
        size: The film's height and width.
        form: One of `FORMS`.

    Returns:
        (height, width).

    Raises:
        ValueError: The text is no run lengths of that form, or they do not fit the film.
    """
    if form not in FORMS:
        raise ValueError(f"the form '{form}' is none of {', '.join(FORMS)}")
    if form == "coco":
        return rle.decode(runs, size) if isinstance(runs, str) else _by_turns(runs, size)
    text = str(runs).strip()
    if text == NOTHING:
        return np.zeros(size, np.bool_)
    starts, lengths = _pairs(text)
    ends = np.cumsum(starts + lengths) if form == "relative" else starts - 1 + lengths
    starts = ends - lengths
    before = np.concatenate([[0], ends[:-1]])
    wrong = np.flatnonzero((lengths < 1) | (starts < before))
    if len(wrong):
        first = wrong[0]
        what = "begins before the one before it ends"
        if lengths[first] < 1:
            what = "has no pixel"
        elif starts[first] < 0:
            what = "begins before the film's first pixel, which is number 1"
        raise ValueError(f"its run {first + 1} {what}; it is not of the form '{form}'")
    if ends[-1] > size[0] * size[1]:
        raise ValueError(
            f"its runs end at pixel {ends[-1]}, and the film has {size[0]} x {size[1]} = "
            f"{size[0] * size[1]}; it is of another film, another size or another form"
        )
    return _filled(starts, ends, size)


def _pairs(text: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    words = text.split()
    strange = [word for word in words if not (word.isascii() and word.isdigit())]
    if strange or not words or len(words) % 2:
        count = f"{len(words)} number{'s' * (len(words) != 1)}"
        what = f"holds '{strange[0][:20]}'" if strange else f"has {count}"
        raise ValueError(f"it {what}; pairs of a start and a length are needed, or {NOTHING} alone")
    large = [word for word in words if len(word.lstrip("0")) > _DIGITS]
    if large:
        raise ValueError(f"it holds {large[0][:20]}, and no film has so many pixels")
    numbers = np.array(words, np.int64).reshape(-1, 2)
    return numbers[:, 0], numbers[:, 1]


def _by_turns(counts: Sequence[int], size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    runs = list(counts)
    whole = all(isinstance(run, int) and not isinstance(run, bool) and run >= 0 for run in runs)
    if not whole or sum(runs) != size[0] * size[1]:
        raise ValueError(f"its runs do not fill {size[0]} x {size[1]} pixels")
    inside = np.arange(len(runs)) % 2 == 1
    return np.repeat(inside, runs).reshape(size, order="F")


def _filled(
    starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64], size: tuple[int, int]
) -> npt.NDArray[np.bool_]:
    steps = np.zeros(size[0] * size[1] + 1, np.int8)
    np.add.at(steps, starts, 1)
    np.add.at(steps, ends, -1)
    return (np.cumsum(steps[:-1], dtype=np.int8) > 0).reshape(size, order="F")
