"""A cell's activation maps as small pictures inside the page."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

from transfergrid.evaluation.cam_record import CamRecord, read_record
from transfergrid.reporting.figures.films import OUTLINE, film_note, heated

QUALITY = 80
"""Of the JPEG; a tile takes some five kilobytes."""


@dataclass(frozen=True)
class MapTile:
    """One film with its map.

    Attributes:
        task: The task that the map is of.
        film: The film's id.
        note: Probability, and overlap with the true region where that is known.
        picture: The film under its map, the true region outlined, as a data URI.
    """

    task: str
    film: str
    note: str
    picture: str


def map_tiles(path: Path) -> tuple[MapTile, ...]:
    """Return the shown films of a cell's record of maps; none without the file."""
    if not path.is_file():
        return ()
    record = read_record(path)
    return tuple(
        MapTile(
            str(record.film_task[row]),
            str(record.film_image[row]),
            film_note(record, row),
            _uri(outlined(heated(record, row), record, row)),
        )
        for row in range(len(record.film_image))
    )


def outlined(pixels: NDArray[np.uint8], record: CamRecord, row: int) -> NDArray[np.uint8]:
    """Return (h, w, 3) pixels with the edge of the film's true region drawn on them."""
    mask = Image.fromarray(record.film_truth[row]).resize(pixels.shape[1::-1])
    inside = np.asarray(mask, dtype=bool)
    around = np.pad(inside, 1)
    deep = around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
    drawn = pixels.copy()
    drawn[inside & ~deep] = ImageColor.getrgb(OUTLINE)
    return drawn


def _uri(pixels: NDArray[np.uint8]) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=QUALITY)
    code = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f"data:image/jpeg;base64,{code}"
