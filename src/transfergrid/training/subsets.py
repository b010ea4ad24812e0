"""Which training images a cell uses, and which of them it validates on if some are held out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from transfergrid.data.store import Images, Split
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import seeded, sha256_text


class Rows:
    """Some rows of a split's images, read in place."""

    def __init__(self, images: Images, rows: NDArray[np.int64]) -> None:
        """Take (N, H, W[, 3]) images and (n,) rows of them."""
        self.images, self.rows = images, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, part: slice) -> NDArray[np.uint8]:
        return self.images[self.rows[part]]


def held_out(patients: NDArray[np.str_], share: float) -> NDArray[np.bool_]:
    """Choose patients to validate on; the same ones for every cell of a data set.

    Args:
        patients: (N,) patient of each image.
        share: Share of the patients, in (0, 1); at least one is chosen and at least one is left.

    Returns:
        (N,) whether the image's patient is held out.
    """
    names = np.unique(patients)
    order = sorted(names, key=lambda name: sha256_text(f"held out {name}"))
    count = min(max(1, round(share * len(names))), len(names) - 1)
    return np.isin(patients, order[:count])


def split_off(train: Split, held: NDArray[np.bool_]) -> Split:
    """Return the held-out images as a validation split.

    Labels strictly between 0 and 1 (smoothed uncertain ones) become unknown: they are not a truth
    to score by.
    """
    labels = train.labels[held]
    soft = (labels > 0) & (labels < 1)
    return Split(
        images=cast(Any, Rows(train.images, np.flatnonzero(held))),
        labels=np.where(soft, np.float32(np.nan), labels),
        image_id=train.image_id[held],
        study_id=train.study_id[held],
        patient_id=train.patient_id[held],
        files=train.files,
        masks=None if train.masks is None else cast(Any, Rows(train.masks, np.flatnonzero(held))),
    )


def training_rows(images: int, share: float, count: int | None, seed: int) -> NDArray[np.int64]:
    """Choose the training rows of a share or count; subsets of one seed are nested.

    The rows are a prefix of one permutation that depends only on the seed and the number of images,
    so every smaller subset is part of every larger one.

    Args:
        images: Number of images of the training split.
        share: Share of them to use, in (0, 1]; rounded to whole images, at least two.
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


def rows_of_patients(patients: NDArray[np.str_], count: int, seed: int) -> NDArray[np.int64]:
    """Choose training patients, with all of their images; subsets of one seed are nested.

    Each patient's place in the order depends on the seed and the patient's own name alone: on no
    initial weights, no network and no other patient. So every arm draws the same ones.

    Args:
        patients: (N,) patient of each image of the training split.
        count: Number of patients to use, at least 1.
        seed: The cell's seed.

    Returns:
        (n,) int64 row numbers in rising order.

    Raises:
        UserError: The split has fewer patients, or those chosen have fewer than two images.
    """
    names = np.unique(patients)
    if count > len(names):
        raise UserError(
            f"The training split has {len(names)} patients and the recipe asks for {count}: set "
            "train_patients to at most what there is (holdout and tune take theirs away first)."
        )
    order = sorted(names, key=lambda name: sha256_text(f"subset {seed} {name}"))
    rows = np.flatnonzero(np.isin(patients, order[:count])).astype(np.int64)
    if len(rows) < 2:
        raise UserError(
            f"train_patients {count} leaves {len(rows)} training image with seed {seed}, and batch "
            "norm needs two; ask for more patients."
        )
    return rows


def used_rows(
    recipe: Mapping[str, Any],
    patients: NDArray[np.str_],
    held: NDArray[np.bool_] | None,
    seed: int,
) -> NDArray[np.int64]:
    """Return the (n,) rows of the training split that a training uses, none of them held out.

    Args:
        recipe: Holds `transfergrid.planning.ends.USED`; ``train_patients`` may be missing.
        patients: (N,) patient of each image of the training split.
        held: (N,) which of them are held out, or None.
        seed: The cell's seed.

    Raises:
        UserError: There are fewer patients or images than the recipe asks for.
    """
    kept = np.arange(len(patients)) if held is None else np.flatnonzero(~held)
    if recipe.get("train_patients") is not None:
        return kept[rows_of_patients(patients[kept], recipe["train_patients"], seed)]
    return kept[training_rows(len(kept), recipe["train_share"], recipe["train_count"], seed)]
