"""A film with the outlines of a true and a predicted mask, as a small picture."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

from transfergrid.data.mask_coverage import YES
from transfergrid.reporting.pictures.colours import BOTH, PREDICTED, TRUE

SIDE = 448
"""About the side of a picture, in pixels."""
BOLD = 4
"""From this enlargement on, outlines are two pixels wide, and one where pixels are small."""
QUALITY = 75
"""Of the JPEG; the colours of thin lines stay whole, which costs more than the films."""


def outlined(
    film: NDArray[np.uint8], truth: NDArray[np.uint8], marked: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Return a film with outlines, enlarged by a whole number.

    Args:
        film: (px, px) or (px, px, 3).
        truth: (C, px, px), 1 where a structure is.
        marked: (C, px, px), where a network says so.

    Returns:
        (n px, n px, 3) uint8.
    """
    times = max(1, round(SIDE / film.shape[0]))
    colour = film if film.ndim == 3 else np.repeat(film[..., None], 3, axis=2)
    drawn = _enlarged(colour, times)
    there = _outlines(truth == YES, times)
    said = _outlines(marked, times)
    for lines, name in ((there, TRUE), (said, PREDICTED), (there & said, BOTH)):
        drawn[lines] = ImageColor.getrgb(name)
    return drawn


def data_uri(pixels: NDArray[np.uint8]) -> str:
    """Return (h, w, 3) pixels as the address of a JPEG that holds them."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=QUALITY, subsampling=0)
    code = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f"data:image/jpeg;base64,{code}"


def _outlines(masks: NDArray[np.bool_], times: int) -> NDArray[np.bool_]:
    """Return where some mask of several, enlarged, has a pixel with a neighbour outside of it."""
    found = np.zeros([times * side for side in masks.shape[1:]], dtype=bool)
    for mask in masks:
        inside = _enlarged(mask, times)
        around = np.pad(inside, 1)
        deep = around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
        if times >= BOLD:
            around = np.pad(deep, 1)
            deep = around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
        found |= inside & ~deep
    return found


def _enlarged(pixels: NDArray, times: int) -> NDArray:
    return np.repeat(np.repeat(pixels, times, axis=0), times, axis=1)
