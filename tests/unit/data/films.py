"""Drawn images that differ from each other as films do: coarse shapes and fine grain."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image


def film(number: int, px: int = 96) -> npt.NDArray[np.uint8]:
    """Return a grey image of its own, (px, px) uint8."""
    rng = np.random.default_rng(number)
    coarse = Image.fromarray(rng.integers(0, 256, (12, 12), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((px, px), Image.Resampling.BICUBIC), np.float64)
    grain = rng.normal(0, 4, (px, px))
    return np.asarray(np.clip(smooth * 0.8 + 20 + grain, 0, 255), np.uint8)
