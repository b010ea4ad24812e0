"""HD95 and surface Dice of 1,000 masks of 256 px, against MONAI.

Masks are drawn: one round structure, whose outline is short, or thin lines, as vessels are, whose
outline is long. What a network might mark is the truth moved by a few pixels, with a stray pixel
here and there. MONAI has two functions, which are called one after the other on the whole stack;
here both metrics come from the same distances. Before anything is timed, values are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from common import alternate, heading, parse, peer, row, seconds, table
from numpy.typing import NDArray
from scipy import ndimage

from transfergrid.metrics.mask_metrics import hd95, surface_dice
from transfergrid.metrics.mask_record import pack
from transfergrid.metrics.overlap import count_overlap
from transfergrid.metrics.surfaces import measure_surfaces

MASKS, PX, TOLERANCE = 1_000, 256, 2.0
Masks = NDArray[np.uint8]


def main(words: Sequence[str] | None = None) -> None:
    arguments = parse(__doc__, words)
    masks, px = (6, 64) if arguments.quick else (MASKS, PX)
    heading("Surfaces", f"{masks} masks of {px} px; runs: {arguments.runs}.")
    monai = peer("monai.metrics")
    table(("structure", "outline", "what", "s", "ratio"))
    for name, draw in (("one round", round_mask), ("thin lines", thin_mask)):
        rng = np.random.default_rng(0)
        truth = np.stack([draw(rng, px) for _ in range(masks)])
        predicted = np.stack([marked(rng, mask) for mask in truth])
        values = ours(predicted, truth)
        calls: dict[str, Callable[[], object]] = {
            "measure_surfaces": partial(ours, predicted, truth)
        }
        if monai:
            pair = [torch.from_numpy(each)[:, None] for each in (predicted, truth)]

            def both(pair: list[torch.Tensor] = pair) -> NDArray[np.float64]:
                return np.stack(
                    [
                        monai.compute_hausdorff_distance(*pair, True, percentile=95)[:, 0],
                        monai.compute_surface_dice(*pair, [TOLERANCE], True)[:, 0],
                    ]
                )

            np.testing.assert_allclose(values, both(), rtol=1e-4)
            calls["MONAI"] = both
        times = alternate({n: partial(seconds, call) for n, call in calls.items()}, arguments.runs)
        length = float(measure_surfaces(truth[:50], truth[:50]).true.mean())
        for what, time in times.items():
            row(name, length, what, time, time / times["measure_surfaces"])


def ours(predicted: Masks, truth: Masks) -> NDArray[np.float64]:
    """Return (2, N) HD95 and surface Dice."""
    rows = pack(count_overlap(predicted, truth), measure_surfaces(predicted, truth, (TOLERANCE,)))
    return np.stack([hd95.film_values(rows), surface_dice.film_values(rows, tolerance=TOLERANCE)])


def round_mask(rng: np.random.Generator, px: int) -> Masks:
    """Return an uneven disc (px, px)."""
    rows, columns = np.mgrid[:px, :px] / px
    centre, radius = rng.uniform(0.35, 0.65, 2), rng.uniform(0.1, 0.25)
    angle = np.arctan2(rows - centre[0], columns - centre[1])
    edge = radius * (1 + 0.15 * np.sin(rng.integers(2, 6) * angle + rng.uniform(0, 6)))
    return (np.hypot(rows - centre[0], columns - centre[1]) < edge).astype(np.uint8)


def thin_mask(rng: np.random.Generator, px: int) -> Masks:
    """Return winding lines (px, px), about an eighth of the image."""
    smooth = ndimage.gaussian_filter(rng.normal(size=(px, px)), px / 20)
    return (np.abs(smooth / smooth.std()) < 0.15).astype(np.uint8)


def marked(rng: np.random.Generator, mask: Masks) -> Masks:
    """Return a mask moved by up to three pixels, a few of which are turned over."""
    moved = np.roll(mask, tuple(rng.integers(-3, 4, 2)), axis=(0, 1))
    return moved ^ (rng.random(mask.shape) < 1e-4).astype(np.uint8)


if __name__ == "__main__":
    main()
