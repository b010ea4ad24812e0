"""COCO's compressed run lengths, in which published masks are written."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def decode(counts: str, size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Return the mask of a compressed run-length string.

    Runs alternate between outside and inside, outside first, down the columns. From the fourth run
    on, the difference from the last run but one is written. A number is a row of six-bit characters
    from "0" up with five bits each, lowest first; the sixth bit says that more follow, and the
    highest bit of the last character is the sign.

    Args:
        counts: The string.
        size: Height and width.

    Returns:
        (height, width).

    Raises:
        ValueError: The string is broken, or its runs do not fill the mask.
    """
    runs: list[int] = []
    value = shift = 0
    for character in counts:
        bits = ord(character) - 48
        if not 0 <= bits < 64:
            raise ValueError(f"the character {character!r} does not belong in run lengths")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        value -= (bits & 16) << shift - 4  # 2 ** shift if the number is negative
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    height, width = size
    if shift or min(runs, default=0) < 0 or sum(runs) != height * width:
        raise ValueError(f"its runs do not fill {height} x {width} pixels")
    inside = np.arange(len(runs)) % 2 == 1
    return np.repeat(inside, runs).reshape((height, width), order="F")
