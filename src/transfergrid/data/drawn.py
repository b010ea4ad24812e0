"""Splits that are drawn, for data sets that were published without one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from transfergrid.data.folds import share_of
from transfergrid.runtime.hashing import seeded

_SHARES = {"test": ("test_share", 0.2), "valid": ("validation_share", 0.1)}
"""The setting, and its default, that gives each part's share."""


def drawn_split(
    units: npt.NDArray[np.str_],
    options: Mapping[str, Any],
    labels: npt.NDArray[np.float32] | None = None,
    parts: Sequence[str] = ("test", "valid"),
) -> npt.NDArray[np.str_]:
    """Cut units into train and other parts by a data set's shares.

    Args:
        units: (N,) what each image belongs to and what must not be torn.
        options: ``validation_share``, ``test_share`` and ``seed``.
        labels: (N, T) by which the parts are balanced; None draws whatever the labels.
        parts: What is drawn; where the test set was published, only "valid".

    Returns:
        (N,) "train", "valid" or "test"; of a data set in folds, which have parts of their own, all
        are "train".

    Raises:
        UserError: There are too few units.
    """
    split = np.full(len(units), "train", "<U5")
    left = 1.0
    for part in () if options.get("folds") else parts:
        key, default = _SHARES[part]
        share = float(options.get(key, default))
        rest = np.flatnonzero(split == "train")
        rng = np.random.default_rng(seeded("drawn", part, options.get("seed", 0)))
        some = None if labels is None else labels[rest]
        split[rest[share_of(units[rest], share / left, rng, some)]] = part
        left -= share
    return split
