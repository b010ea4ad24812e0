"""What a training with drawn weights starts from, where batch norms are calibrated first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from transfergrid.data.store import open_split, verify_pixels
from transfergrid.evaluation.inference import BATCH_SIZE
from transfergrid.models.initial import SourceDiverged, is_drawn
from transfergrid.models.normalise import Normalise
from transfergrid.models.norms import NotFiniteError, calibrate
from transfergrid.planning.paths import cache_directory
from transfergrid.training.batches import pieces
from transfergrid.training.subsets import Rows, held_out, used_rows


def calibrate_start(
    network: nn.Module,
    normalise: Normalise,
    made_from: Mapping[str, Any],
    results: Path,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Give batch norms the statistics that a training with these drawn weights begins with.

    Args:
        network: With its drawn weights, on its device.
        normalise: The input that it expects.
        made_from: What `transfergrid.planning.states.State` holds of an initial state, and the
            ``proof`` of its weights. Nothing is done unless it names the training images
            (``calibrated``), nor where every weight was loaded: then calibration changes nothing.
        results: Root of all outputs; the cache must be there.
        check: Called before every batch; may raise to end the work.

    Raises:
        SourceDiverged: The input of a norm is not finite, which ends such a training as well.
        UserError: The cache cannot be used, or has fewer images than are asked for.
    """
    used = made_from.get("calibrated")
    if used is None or not is_drawn(made_from["proof"]):
        return
    cache = cache_directory(made_from["dataset"], results)
    train = open_split(cache, "train", made_from["fold"])
    pixels = verify_pixels(cache, train)
    held = held_out(train.patient_id, used["holdout"]) if used["holdout"] else None
    rows = used_rows(used, train.patient_id, held, int(made_from["seed"]))
    device = next(network.parameters()).device

    def inputs() -> Iterator[Tensor]:
        images = Rows(train.images, rows)
        for part in pieces(len(rows), BATCH_SIZE):
            check()
            yield normalise(torch.from_numpy(np.array(images[part])).to(device))

    try:
        calibrate(network, inputs(), keep=False)
    except NotFiniteError as error:
        raise SourceDiverged(f"{error} on the training images") from None
    pixels.wait()
