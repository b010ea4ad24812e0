"""Films under their class activation maps, in the figure and on the page."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from transfergrid.evaluation.cam_record import CamRecord

TILE_PX = 160  # largest side of a film
HEAT, HEAT_SHARE = "inferno", 0.65
# Bright on a dark film, no shade of the heat's colours, and as they are on a dark page.
OUTLINE, CROSS = "#4fd8ff", "#fdfdfd"


def shrunk(pixels: NDArray[np.uint8]) -> Image.Image:
    """Return a film of at most `TILE_PX` a side."""
    image = Image.fromarray(pixels).convert("RGB")
    image.thumbnail((TILE_PX, TILE_PX), Image.Resampling.BILINEAR)
    return image


def heated(record: CamRecord, row: int) -> NDArray[np.uint8]:
    """Return a film with its map over it, (h, w, 3) pixels of at most `TILE_PX` a side."""
    import matplotlib  # most pages have no maps

    image = shrunk(record.film_pixels[row])
    values = record.film_map[row].astype(np.float32)
    heat = np.asarray(Image.fromarray(values).resize(image.size, Image.Resampling.BILINEAR))
    colours = 255 * matplotlib.colormaps[HEAT](heat)[..., :3]
    share = HEAT_SHARE * np.clip(heat, 0, 1)[..., None]
    mixed = (1 - share) * np.asarray(image) + share * colours
    return mixed.astype(np.uint8)


def film_note(record: CamRecord, row: int) -> str:
    """Say what a film's map comes with: probability, and overlap where the region is known."""
    text = f"p {record.film_probability[row]:.2f}"
    if not record.film_map[row].any():
        return f"{text}, blank"
    same = (record.mark_image == record.film_image[row]) & (
        record.mark_task == record.film_task[row]
    )
    if same.any():
        text += f", IoU {float(record.iou[same][0]):.2f}"
    return text
