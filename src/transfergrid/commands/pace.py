"""How fast a cell trains: from similar finished cells or a benchmark, scaled, or as a guess."""

from __future__ import annotations

import csv
import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

from transfergrid.commands.reasons import read_json_or_none
from transfergrid.commands.state import folders
from transfergrid.planning.cell_names import taken_apart
from transfergrid.planning.cells import Cell
from transfergrid.planning.paths import RESOURCES, RESULTS, cell_directory
from transfergrid.planning.recipe import Recipe
from transfergrid.planning.records import RECORD
from transfergrid.planning.speeds import benchmarked, number_format
from transfergrid.planning.tasks import decoder_of
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.gpus import VISIBLE, list_boards, visible

GUESSED_RATE = {"cpu": 2e9, "fp32": 5e11, "bf16": 1e12}
"""Multiply-accumulates (in the forward pass) per second of training, if nothing was measured."""
LEAST_WORK = 1e6
"""Multiply-accumulates that a step of a classifier alone counts for: its time is the step's own."""
SPREAD = {"measured": 1.25, "benchmarked": 1.5, "scaled": 2.0, "guess": 4.0}
"""The factor by which an estimate may be off either way, by the basis of the pace."""
COST_PX = 224
UNKNOWN_PARAMS = 25_000_000
"""Parameters assumed for a network that resources/costs.csv does not list."""
_CELLS_A_GROUP = 5


@dataclass(frozen=True)
class Pace:
    """How fast a cell trains.

    Attributes:
        rate: Images per second, steps only.
        basis: A key of `SPREAD`.
    """

    rate: float
    basis: str


@dataclass(frozen=True)
class Measured:
    """One finished training: what it ran on and how fast.

    Attributes:
        decoder: What was put on it, as `planning.tasks.decoder_of` calls it.
        batch: Images that went through the network at once, if only equal ones are comparable.
        stored: Whether it read stored features in the place of pixels, which is no measure of the
            whole network.
    """

    architecture: str
    truncation: int
    px: int
    precision: str
    layers: str
    device: str
    rate: float
    batch: int | None = None
    stored: bool = False
    decoder: str = ""


@dataclass(frozen=True)
class MaskCost:
    """What a network with a U-Net's decoder takes.

    Attributes:
        stored: Numbers of a checkpoint.
        macs: Multiply-accumulates of a forward pass at `COST_PX`.
        held: float32 numbers that training holds of an image of `COST_PX` until its backward pass.
    """

    stored: int
    macs: int
    held: int


@cache
def known_mask_costs() -> Mapping[tuple[str, int], MaskCost]:
    """Return what networks with a U-Net's decoder take, by (architecture, truncation)."""
    with open(RESOURCES / "mask_costs.csv", newline="", encoding="utf-8") as file:
        return {
            (row["architecture"], int(row["truncation"])): MaskCost(
                int(row["stored_1"]), int(row["macs_224"]), int(row["held_224"])
            )
            for row in csv.DictReader(file)
        }


@cache
def known_costs() -> Mapping[tuple[str, int], tuple[int, int]]:
    """Return (parameters, multiply-accumulates at 224 px) by (architecture, truncation)."""
    with open(RESOURCES / "costs.csv", newline="", encoding="utf-8") as file:
        return {
            (row["architecture"], int(row["truncation"])): (
                int(row["params_14"]),
                int(row["macs_224"]),
            )
            for row in csv.DictReader(file)
        }


def macs(architecture: str, truncation: int, px: int, decoder: str = "") -> float | None:
    """Return multiply-accumulates of a forward pass, or None for a network not listed.

    A decoder of one's own counts as the U-Net's.
    """
    if decoder:
        found = known_mask_costs().get((architecture, truncation))
        return None if found is None else found.macs * (px / COST_PX) ** 2
    cost = known_costs().get((architecture, truncation))
    return None if cost is None else cost[1] * (px / COST_PX) ** 2


def params(architecture: str, truncation: int, decoder: str = "") -> int:
    """Return the numbers of a network's checkpoint; a round number for one not listed."""
    if decoder:
        found = known_mask_costs().get((architecture, truncation))
        return UNKNOWN_PARAMS if found is None else found.stored
    return known_costs().get((architecture, truncation), (UNKNOWN_PARAMS, 0))[0]


def measurements(results: Path = RESULTS) -> list[Measured]:
    """Return what finished cells of all studies tell; a few cells of each kind."""
    groups: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    for name in folders(results / "cells"):
        if cell := taken_apart(name):
            kind = (cell.dataset, cell.architecture, cell.truncation, cell.protocol)
            groups[kind].append(name)
    found = []
    for names in groups.values():
        for name in names[:_CELLS_A_GROUP]:
            folder = cell_directory(name, results)
            one = _measured(
                read_json_or_none(folder / RECORD), read_json_or_none(folder / "spec.json")
            )
            found += [one] if one else []
    return found


def _measured(record: Any, spec: Any) -> Measured | None:
    try:
        if record["status"] != "finished" or not record["images_per_second"] > 0:
            return None
        recipe = Recipe.from_dict(spec["recipe"])
        return Measured(
            spec["architecture"].get("of") or spec["cell"]["architecture"],
            int(spec["cell"]["truncation"]),
            int(spec["architecture"]["input_px"]),
            number_format(record["precision"]),
            recipe.layers,
            record["device"],
            float(record["images_per_second"]),
            stored=len(spec.get("features", ())) == len(recipe.phases),
            decoder=decoder_of(spec["dataset"], spec["architecture"].get("decoder")),
        )
    except (KeyError, TypeError, ValueError):
        return None


@cache
def benchmarks() -> tuple[Measured, ...]:
    """Return what benchmarks/gpu.py measured, if somebody ran it."""
    return tuple(
        Measured(
            row.architecture,
            0,
            row.px,
            number_format(row.precision),
            "all",
            row.device,
            row.images_per_second,
            row.batch,
        )
        for row in benchmarked()
    )


def target_device(study_device: str, measured: Sequence[Measured]) -> str:
    """Return the name of the device on which a study would train, as far as known."""
    if study_device == "cpu":
        return "cpu"
    seen = gpu_name()
    if seen:
        return seen
    used = Counter(m.device for m in measured if m.device != "cpu")
    if used:
        return used.most_common(1)[0][0]
    return "GPU" if study_device == "cuda" else "cpu"


@cache
def gpu_name() -> str | None:
    """Return the first GPU's name, as PyTorch would give it, or None if none is visible."""
    try:
        seen = visible(list_boards(), os.environ.get(VISIBLE))
    except UserError:
        return None  # doctor reports it
    return seen[0].name if seen else None


def reads_features(cell: Cell, recipe: Recipe) -> bool:
    """Tell whether all phases of a cell train on stored features."""
    return len(cell.features) == len(recipe.phases)


def pace(
    cell: Cell,
    recipe: Recipe,
    px: int,
    device: str,
    known: Sequence[Measured],
    stored: bool = False,
) -> Pace | None:
    """Return how fast a cell would train, or None if there is nothing to go by.

    Args:
        cell: The cell.
        recipe: Its recipe.
        px: Side of its images.
        device: Name of the device.
        known: Finished trainings.
        stored: Whether it reads stored features in the place of pixels.
    """
    point = cell.point
    precision = "fp32" if device == "cpu" else recipe.precision
    here, network = [], []
    like = (px, precision, recipe.layers)
    batches = (None, recipe.micro_batch)
    for basis, found in (("measured", known), ("benchmarked", benchmarks())):
        own = [m for m in found if m.device == device and m.stored == stored]
        here += own
        form = (cell.network, point.truncation, cell.decoder)
        network += [m for m in own if (m.architecture, m.truncation, m.decoder) == form]
        same = [
            m.rate for m in network if (m.px, m.precision, m.layers) == like and m.batch in batches
        ]
        if same:
            return Pace(median(same), basis)
    network, here = _preferred(network, precision), _preferred(here, precision)
    near = [m.rate * m.px**2 / px**2 for m in network]
    if near and not stored:
        return Pace(median(near), "scaled")
    work = macs(cell.network, point.truncation, px, cell.decoder)
    if work is None:
        return None
    if stored:
        depth = max(phase.last_blocks or 0 for phase in recipe.phases)
        frozen = macs(cell.network, point.truncation + depth, px) or 0.0
        work = max(work - frozen, LEAST_WORK)
        return Pace(GUESSED_RATE["cpu" if device == "cpu" else precision] / work, "guess")
    counted = [(m.rate, macs(m.architecture, m.truncation, m.px, m.decoder)) for m in here]
    speeds = [rate * other for rate, other in counted if other]
    if speeds:
        return Pace(median(speeds) / work, "scaled")
    return Pace(GUESSED_RATE["cpu" if device == "cpu" else precision] / work, "guess")


def _preferred(found: list[Measured], precision: str) -> list[Measured]:
    """Return those in a number format, or all if there are none."""
    return [m for m in found if m.precision == precision] or found
