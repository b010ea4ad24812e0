"""What the mean probability of several networks marks, pixel by pixel."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from transfergrid.catalog.mask_pixels import UNKNOWN
from transfergrid.tasks.learn.segmentation import Segmentation


def counted(logits: list[list[float]], masks: list[int], ranking: list[int], **how: Any) -> Any:
    """Return (n + R, C, 4) counts of images of one pixel, each of whose channels has a logit."""
    split: Any = SimpleNamespace(masks=np.array(masks, np.uint8).reshape(1, -1, 1, 1))
    outputs = [torch.tensor(own).reshape(1, -1, 1, 1) for own in logits]
    keep = Segmentation(**how).keep_together(split, ranking)
    return keep(iter(outputs), slice(0, 1))[:, 0]


def test_a_mean_of_probabilities_is_no_mean_of_logits() -> None:
    # The mean of the logits is above 0; that of .9997, .119 and .119 is below one half.
    found = counted([[-2.0], [8.0], [-2.0]], [1], [1, 0, 2])[:, 0]
    assert found[:, 1].tolist() == [0, 1, 0, 1, 1, 0]  # each, then the best one, two and three
    assert found[:, 0].tolist() == found[:, 1].tolist() and set(found[:, 2].tolist()) == {1}


def test_of_exclusive_structures_the_largest_mean_counts() -> None:
    # The first is sure of its first structure; the others prefer the second by little.
    found = counted(
        [[0.0, 6.0, 0.0], [0.0, 0.0, 0.5], [0.0, 0.0, 0.5]], [1, 0], [0, 1, 2], exclusive=True
    )
    assert found[:3, :, 1].tolist() == [[1, 0], [0, 1], [0, 1]]
    assert found[3:, :, 1].tolist() == [[1, 0], [1, 0], [1, 0]]
    background = counted([[3.0, 0.0, 0.0], [0.0, 0.1, 0.0]], [0, 1], [0, 1], exclusive=True)
    assert background[3, :, 1].tolist() == [0, 0]


def test_unknown_pixels_and_undefined_networks_count_nowhere() -> None:
    assert not counted([[5.0], [5.0]], [UNKNOWN], [0, 1]).any()
    assert counted([[5.0], [float("nan")]], [1], [0]).isnan().all()
    assert counted([[5.0]], [1], []).tolist() == [[[1, 1, 1, 1]]]
