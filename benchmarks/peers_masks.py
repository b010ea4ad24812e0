"""What other packages compute of masks, each called as its users do.

    PYTHONPATH=build/bench .venv/bin/python benchmarks/peers_masks.py

prints the tables of docs/segmentation.md. The four pairs of masks are those of
tests/unit/metrics/masks.py: both empty, a false alarm, a missed one, and one whose Dice is .75. Two
networks then find three structures alike; the first finds a fourth badly, the second misses it.
"""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import torch
from common import peer, table
from numpy.typing import NDArray

from transfergrid.metrics import mask_metrics
from transfergrid.metrics.mask_record import pack
from transfergrid.metrics.overlap import count_overlap
from transfergrid.metrics.surfaces import measure_surfaces
from transfergrid.planning.paths import PROJECT

Masks = NDArray[np.uint8]
Values = tuple[list[float], float]
"""The value of each pair, NaN where there is none, and the mean as the package gives it."""
NOTHING = math.nan


def main() -> None:
    sys.path.insert(0, str(PROJECT / "tests"))
    from unit.metrics.masks import bad_and_missing, four_pairs

    warnings.simplefilter("ignore")
    predicted, truth = four_pairs()
    table(("Dice of four pairs", "both empty", "false alarm", "missed", ".75", "mean"))
    for name, call in dices():
        values, mean = call(predicted, truth)
        print(f"| {' | '.join([name, *map(word, values), word(mean)])} |")
    print()
    bad, missing, truth = bad_and_missing()
    table(("mean HD95 of four films", "one found badly", "one missed"))
    for name, call in distances():
        print(f"| {name} | {word(call(bad, truth)[1])} | {word(call(missing, truth)[1])} |")


def word(value: float) -> str:
    """Return four digits, or a dash for NaN."""
    return "–" if math.isnan(value) else f"{value:.4g}"


def dices() -> Iterator[tuple[str, Callable[[Masks, Masks], Values]]]:
    """Yield a package's name and its Dice, for each that is installed."""
    yield "TransferGrid, `dice_by_film`", _ours("dice_by_film")
    if smp := peer("segmentation_models_pytorch"):

        def smp_dice(predicted: Masks, truth: Masks) -> Values:
            stats = smp.metrics.get_stats(*map(_tensors, (predicted, truth)), mode="binary")
            values = smp.metrics.f1_score(*stats)[:, 0].tolist()
            return values, float(smp.metrics.f1_score(*stats, reduction="micro-imagewise"))

        yield "segmentation-models-pytorch, `f1_score`, micro-imagewise", smp_dice
    if monai := peer("monai.metrics"):

        def monai_dice(predicted: Masks, truth: Masks) -> Values:
            metric = monai.DiceMetric()
            values = metric(*map(_tensors, (predicted, truth)))[:, 0].tolist()
            return values, float(metric.aggregate())

        yield "MONAI, `DiceMetric`", monai_dice
    if torchmetrics := peer("torchmetrics.segmentation"):

        def torchmetrics_dice(predicted: Masks, truth: Masks) -> Values:
            def score(*pair: Masks) -> float:
                metric = torchmetrics.DiceScore(1)
                return float(metric(*(_tensors(masks).long() for masks in pair)))

            # A batch of one pair is its value; of nothing it is 0, and NaN in a batch is left out.
            values = [score(predicted[n : n + 1], truth[n : n + 1]) for n in range(len(truth))]
            return values, score(predicted, truth)

        yield "torchmetrics, `segmentation.DiceScore`", torchmetrics_dice
    if medpy := peer("medpy.metric.binary"):

        def medpy_dice(predicted: Masks, truth: Masks) -> Values:
            values = [float(medpy.dc(*pair)) for pair in zip(predicted, truth, strict=True)]
            return values, float(np.mean(values))

        yield "MedPy, `dc`", medpy_dice


def distances() -> Iterator[tuple[str, Callable[[Masks, Masks], Values]]]:
    """Yield a package's name and its HD95, for each that is installed."""
    yield "TransferGrid, `hd95_by_film`", _ours("hd95_by_film")
    if monai := peer("monai.metrics"):

        def monai_hd95(predicted: Masks, truth: Masks) -> Values:
            metric = monai.HausdorffDistanceMetric(include_background=True, percentile=95)
            values = metric(*map(_tensors, (predicted, truth)))[:, 0].tolist()
            return values, float(metric.aggregate())

        yield "MONAI, `HausdorffDistanceMetric`", monai_hd95
    if medpy := peer("medpy.metric.binary"):

        def medpy_hd95(predicted: Masks, truth: Masks) -> Values:
            values = [_or_nan(medpy.hd95, *pair) for pair in zip(predicted, truth, strict=True)]
            return values, float(np.mean(values))

        yield "MedPy, `hd95`", medpy_hd95


def _ours(name: str) -> Callable[[Masks, Masks], Values]:
    metric = getattr(mask_metrics, name)

    def call(predicted: Masks, truth: Masks) -> Values:
        rows = pack(count_overlap(predicted, truth), measure_surfaces(predicted, truth))
        (mean,), _ = metric(rows[None], np.ones(len(rows)), np.arange(len(rows)))
        return metric.film_values(rows).tolist(), float(mean)

    return call


def _or_nan(function: Callable[..., float], *pair: Masks) -> float:
    try:
        return float(function(*pair))
    except RuntimeError:  # MedPy refuses an empty mask
        return NOTHING


def _tensors(masks: Masks) -> torch.Tensor:
    return torch.from_numpy(masks)[:, None]


if __name__ == "__main__":
    main()
