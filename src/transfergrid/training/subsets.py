"""Which training images a cell uses."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import seeded


def training_rows(images: int, share: float, count: int | None, seed: int) -> NDArray[np.int64]:
    """Choose the training rows of a share or count; subsets of one seed are nested.

    The rows are a prefix of one permutation that depends on the seed and the number of images
    alone, so every smaller subset is part of every larger one.

    Args:
        images: Number of images of the training split.
        share: Share of them to use, in (0, 1]; rounded to whole images, two at least.
        count: Number of images to use, or None for `share`.
        seed: The cell's seed.

    Returns:
        (n,) int64 row numbers in rising order, so that a memory map is read forwards.

    Raises:
        UserError: The split has fewer than two images, or fewer than `count`.
    """
    wanted = round(share * images) if count is None else count
    if images < 2 or wanted > images or (count is not None and count < 2):
        raise UserError(
            f"The training split has {images} images and the recipe asks for {wanted}: "
            "give it at least two and set train_share or train_count to at most what there is."
        )
    order = np.random.default_rng(seeded(seed, "subset")).permutation(images)
    return np.sort(order[: max(2, wanted)]).astype(np.int64)
