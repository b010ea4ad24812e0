"""The tables of docs/segmentation.md: ours computed, those of other packages as they gave them."""

from __future__ import annotations

import re

import numpy as np
import pytest
from unit.metrics import masks
from unit.metrics.test_mask_metrics import DIAGONAL, STATES, packed

from transfergrid.metrics import mask_metrics
from transfergrid.metrics.mask_record import pack
from transfergrid.metrics.overlap import count_overlap
from transfergrid.planning.paths import PROJECT

CHASE = PROJECT.parent / "shared/data/segmentation/chase_db1_256px.npz"
PAGE = (PROJECT / "docs" / "segmentation.md").read_text(encoding="utf-8")

# Of benchmarks/peers_masks.py, with segmentation-models-pytorch 0.6.0, MONAI 1.6.1, torchmetrics
# 1.9.0 and MedPy 0.5.2: Dice of the four pairs of `masks.four_pairs`, and their mean.
DICES = {
    "segmentation-models-pytorch, `f1_score`, micro-imagewise": ["1", "0", "0", "0.75", "0.4375"],
    "MONAI, `DiceMetric`": ["–", "–", "0", "0.75", "0.375"],
    "torchmetrics, `segmentation.DiceScore`": ["–", "0", "0", "0.75", "0.25"],
    "MedPy, `dc`": ["–", "0", "0", "0.75", "–"],
}
# The mean HD95 of `masks.bad_and_missing`.
DISTANCES = {"MONAI, `HausdorffDistanceMetric`": ["2.75", "1"], "MedPy, `hd95`": ["2.75", "–"]}


def rows(head: str, after: str = "") -> dict[str, list[str]]:
    """Return the rows of the first table after a line that has a head, by their first cell."""
    table = rf"^\| {re.escape(head)} \|.*\n\|-.*\n((?:\|.*\n)+)"
    lines = re.search(table, PAGE[PAGE.index(after) :], re.MULTILINE)
    assert lines is not None
    cells = [line.strip("| ").split(" | ") for line in lines[1].splitlines()]
    return {first: rest for first, *rest in cells}


def mean(name: str, table: np.ndarray) -> float:
    values, _ = getattr(mask_metrics, name)(table[None], np.ones(len(table)), np.arange(len(table)))
    return float(values[0])


def test_the_page_tells_what_each_package_makes_of_empty_masks() -> None:
    table = packed(*masks.four_pairs())
    ours = [*mask_metrics.dice_by_film.film_values(table), mean("dice_by_film", table)]
    expected = {"TransferGrid, `dice_by_film`": [f"{value:.4g}" for value in ours], **DICES}
    assert rows("Dice of four pairs") == expected
    assert f"{mean('dice_pooled', table):.3f}" == "0.480"  # a fifth answer: 24 of 50


def test_the_page_tells_whose_mean_prefers_a_missed_structure() -> None:
    bad, missing, truth = masks.bad_and_missing()
    ours = [f"{mean('hd95_by_film', packed(each, truth)):.4g}" for each in (bad, missing)]
    assert rows("mean HD95 of four films") == {"TransferGrid, `hd95_by_film`": ours, **DISTANCES}
    assert float(ours[0]) < float(ours[1])


def test_the_page_tells_the_value_of_each_state() -> None:
    told = {value: f"{value:g}" for value in (0, 1)} | {DIAGONAL: "diagonal"}
    expected = {f"`{name}`": [told[value] for value in STATES[name]] for name in STATES}
    assert rows("metric", after="## Where a mask is empty") == expected


@pytest.mark.skipif(not CHASE.is_file(), reason="needs the eyes of shared/data")
def test_two_observers_of_the_same_vessels_agree_as_published_masks_say() -> None:
    # .786 is what the README of that folder computed, before any of this was written.
    eyes = np.load(CHASE)
    first, second = (
        np.concatenate([eyes[f"{part}_{name}"] for part in ("train", "test")]).reshape(28, 256, 256)
        for name in ("masks", "masks_observer2")
    )
    assert round(mean("dice_by_film", pack(count_overlap(second, first))), 3) == 0.786
