"""What the remaining cells will cost: hours on a device, and disk."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from transfergrid.commands.compared import activations_lacking
from transfergrid.commands.images import Images, count_images
from transfergrid.commands.pace import (
    COST_PX,
    SPREAD,
    Measured,
    known_mask_costs,
    pace,
    params,
    reads_features,
    target_device,
)
from transfergrid.commands.state import CellState, cell_states, folders
from transfergrid.commands.weighed import NAMES_BYTES, weighings_lacking
from transfergrid.planning.cell_names import taken_apart
from transfergrid.planning.cells import Cell
from transfergrid.planning.paths import (
    RESULTS,
    cache_directory,
    features_directory,
    weights_directory,
)
from transfergrid.planning.plan import Plan
from transfergrid.planning.planned import PlannedStudy
from transfergrid.planning.recipe import Recipe
from transfergrid.planning.records import is_whole
from transfergrid.planning.sizes import patients_left
from transfergrid.planning.tasks import holds_masks

FORWARD_SHARE = 1 / 3
"""Cost of predicting an image, as a share of training on it."""
START_SECONDS = 5.0
"""A job's imports and opening of data."""
COUNTS = 4
"""Numbers that are stored of a mask: pixels of both, predicted, true and known ones."""
LIBRARY_BYTES = 700_000_000
"""What a training's process holds before its first step: Python and libraries."""
STEP_SHARE = 2.0
"""Memory of a step, as a multiple of what it holds for the backward pass."""
WEIGHTS_HELD = 7
"""Times that weights are in memory: beside themselves, gradients and Adam's two moments, what is
written of all but the gradients."""
STATES_AT_ONCE = 8
"""At most so many trainings have their saved states on disk at one time."""


@dataclass(frozen=True)
class Hours:
    """Time on one device for the remaining cells.

    Attributes:
        low: Hours, at least.
        high: Hours, at most.
        device: What it was estimated for.
        cells: Trainings and scorings counted.
        bases: How many of them rest on each basis of their pace (`pace.SPREAD`).
        unknown: Why others could not be counted, and how many.
    """

    low: float
    high: float
    device: str
    cells: int
    bases: Mapping[str, int]
    unknown: Mapping[str, int]


def job_seconds(recipe: Recipe, images: Images, state: CellState, rate: float) -> float:
    """Return the seconds of a cell's remaining jobs, including validations and scoring."""
    predicted, seconds = 0.0, 0.0
    if state.trains:
        rows = trained_images(recipe, images)
        examples = recipe.epochs * rows * (1 - state.share_done)
        every = recipe.validate_every_examples or rows
        validated = round(recipe.holdout * images.train) or images.valid
        predicted += math.ceil(examples / max(every, 1)) * validated
        seconds += examples / rate + START_SECONDS
    if state.scores:
        predicted += kept(recipe, images) * (images.valid + images.test)
        seconds += START_SECONDS
    return seconds + FORWARD_SHARE * predicted / rate


def trained_images(recipe: Recipe, images: Images) -> int:
    """Return the images in one epoch; patients are assumed to have their share of them."""
    left = (1 - recipe.holdout) * images.train
    if recipe.train_patients is not None:
        return round(min(recipe.train_patients * images.per_patient, left))
    return recipe.train_count or round(recipe.train_share * left)


def too_few_patients(study: PlannedStudy, results: Path = RESULTS) -> list[str]:
    """Return a sentence for each data set that has fewer patients than a recipe asks for.

    Those held out to validate on, by the recipe or its trials of learning rates, are taken away
    first.

    Only data sets count whose patients are known, such as decoded ones; of others a training says
    so before its first step.
    """
    known_recipes = recipes(study)
    if all(recipe.train_patients is None for recipe in known_recipes.values()):
        return []
    images = image_counts(study, results)
    lacking: dict[tuple[str, str], str] = {}
    for cell in study.cells:
        point, recipe = cell.point, known_recipes[cell.point.protocol]
        there = images[point.dataset]
        if there is None or not (there.exact or there.no_more) or recipe.train_patients is None:
            continue
        people = there.train if there.patients is None else there.patients
        holdout = recipe.tune.holdout if recipe.tune else recipe.holdout
        left = patients_left(people, holdout)
        if recipe.train_patients > left:
            held = f", of whom {'tune' if recipe.tune else 'holdout'} takes {people - left} away"
            lacking[point.dataset, point.protocol] = (
                f"{study.study.source}: protocol '{point.protocol}' trains on "
                f"{recipe.train_patients} patients, but data set '{point.dataset}' has {people} to "
                f"train on{held if left < people else ''}; ask for fewer with train_patients."
            )
    return list(lacking.values())


def recipes(study: PlannedStudy) -> dict[str, Recipe]:
    """Return the recipes of a study's cells by protocol, including those of its trials."""
    found = dict(study.study.recipes)
    for trial in study.trials:
        if trial.point.protocol not in found:
            found[trial.point.protocol] = Recipe.from_dict(json.loads(trial.spec)["recipe"])
    return found


def kept(recipe: Recipe, images: Images) -> int:
    """Return the largest number of checkpoints that a training leaves."""
    if recipe.keep_checkpoints == 0:
        return 0
    rows = trained_images(recipe, images)
    every = recipe.validate_every_examples or rows
    validations = math.ceil(recipe.epochs * rows / max(every, 1))
    return max(1, min(validations, recipe.keep_checkpoints + 1))


def image_counts(study: PlannedStudy, results: Path = RESULTS) -> dict[str, Images | None]:
    """Return the sizes of a study's data sets by name."""
    names: dict[str, list[str]] = defaultdict(list)
    for name in folders(results / "cells"):
        if cell := taken_apart(name):
            names[cell.dataset].append(name)
    planned = {cell.name for cell in study.cells}
    return {
        name: count_images(
            dataset, tuple(sorted(names[name], key=lambda n: n not in planned)[:3]), results
        )
        for name, dataset in study.datasets.items()
    }


def hours_left(
    study: PlannedStudy,
    states: Mapping[str, CellState],
    known: Sequence[Measured],
    results: Path = RESULTS,
) -> Hours:
    """Estimate the hours that a study's cells will still take on one device."""
    device = target_device(study.study.config["device"], known)
    images, known_recipes = image_counts(study, results), recipes(study)
    low = high = 0.0
    bases: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    made: set[str] = set()
    for cell in study.cells:
        state = states[cell.name]
        if not state.trains and not state.scores:
            continue
        recipe = known_recipes[cell.point.protocol]
        count = images[cell.point.dataset]
        px = study.datasets[cell.point.dataset].declaration["image_px"]
        found = pace(cell, recipe, px, device, known, reads_features(cell, recipe))
        if count is None:
            unknown[f"data set {cell.point.dataset} is not decoded yet"] += 1
        elif state.trains and recipe.open_ended_from(0):
            unknown["only patience ends a phase of its training"] += 1
        elif found is None:
            unknown[f"no cell of {cell.point.architecture} was ever measured"] += 1
        else:
            hours = job_seconds(recipe, count, state, found.rate) / 3600
            basis = found.basis if count.exact or found.basis == "guess" else "scaled"
            low, high = low + hours / SPREAD[basis], high + hours * SPREAD[basis]
            bases[basis] += 1
            passed = _new_features(cell, made, results) * count.total
            whole = pace(cell, recipe, px, device, known) if passed else None
            if whole is not None:
                hours = passed * FORWARD_SHARE / whole.rate / 3600
                low, high = low + hours / SPREAD[whole.basis], high + hours * SPREAD[whole.basis]
    return Hours(low, high, device, sum(bases.values()), bases, unknown)


def _new_features(cell: Cell, made: set[str], results: Path) -> int:
    """Return how many of a cell's features are not there; each is counted once, in `made`."""
    new = {*cell.features} - made
    made |= new
    return sum(not is_whole(features_directory(name, results)) for name in new)


def disk_bytes(
    plan: Plan, results: Path = RESULTS, states: Mapping[str, CellState] | None = None
) -> dict[str, int]:
    """Estimate the disk that a plan still needs.

    Args:
        plan: The plan.
        results: The folder of results.
        states: Its cells' states, if already known.

    Returns:
        Bytes of ``caches``, ``weights``, ``features``, ``activations``, ``weighings``,
        ``checkpoints``, ``states`` (of trainings in progress), ``scores`` and ``ensembles`` that do
        not exist yet. Data sets
        whose size is unknown until they are decoded count as nothing.
    """
    states = states or cell_states(plan, results)
    need: Counter[str] = Counter(
        dict.fromkeys(
            (
                *("caches", "weights", "features", "activations", "weighings"),
                *("checkpoints", "states", "scores", "ensembles"),
            ),
            0,
        )
    )
    shared: dict[str, tuple[str, int]] = {}
    trained: list[int] = []
    counted: set[str] = set()
    for study in plan.studies.values():
        images, known_recipes = image_counts(study, results), recipes(study)
        shared |= _shared_bytes(study, images, states, results)
        shared |= activations_lacking(study, images, results)
        shared |= weighings_lacking(study, images, results)
        for cell in study.cells:
            data, state = images[cell.point.dataset], states[cell.name]
            if data is None or cell.name in counted:
                continue
            counted.add(cell.name)
            checkpoints = kept(known_recipes[cell.point.protocol], data)
            if state.trains:
                trained.append(4 * params(cell.network, cell.point.truncation, cell.decoder))
                learned = _learned_bytes(cell, known_recipes[cell.point.protocol])
                need["checkpoints"] += trained[-1] - learned + checkpoints * learned
            if state.scores:
                masks = bool(cell.decoder)
                need["scores"] += _score_bytes(data, checkpoints, masks)
                need["ensembles"] += _ensemble_bytes(data, masks) * len(study.selections)
    for room, count in shared.values():
        need[room] += count
    # Weights and Adam's two moments; a new state is written beside the old one.
    need["states"] = min(len(trained), STATES_AT_ONCE) * 2 * 3 * max(trained, default=0)
    return dict(need)


def training_memory(study: PlannedStudy, cells: Iterable[Cell]) -> int | None:
    """Return the bytes that the largest of some trainings of masks takes; None if none is listed.

    A decoder of one's own counts as the U-Net's.
    """
    known_recipes, found = recipes(study), list[int]()
    for cell in cells:
        cost = known_mask_costs().get((cell.network, cell.point.truncation))
        if cost is None:
            continue
        px = study.datasets[cell.point.dataset].declaration["image_px"]
        held = known_recipes[cell.point.protocol].micro_batch * cost.held * (px / COST_PX) ** 2
        numbers = STEP_SHARE * held + WEIGHTS_HELD * cost.stored
        found.append(round(4 * numbers) + LIBRARY_BYTES)
    return max(found, default=None)


def _shared_bytes(
    study: PlannedStudy,
    images: Mapping[str, Images | None],
    states: Mapping[str, CellState],
    results: Path,
) -> dict[str, tuple[str, int]]:
    """Return (room, bytes) of the caches and weights that cells lack, by id."""
    found: dict[str, tuple[str, int]] = {}

    @cache
    def decoded(dataset_id: str) -> bool:
        return (cache_directory(dataset_id, results) / "card.json").exists()

    for cell in study.cells:
        state, data = states[cell.name], images[cell.point.dataset]
        if (state.trains or state.scores) and data and not decoded(cell.dataset_id):
            found[cell.dataset_id] = ("caches", _cache_bytes(study, cell.point.dataset, data))
        rows = data.total if state.trains and data else 0
        for name in cell.features if rows else ():
            if not is_whole(features_directory(name, results)):
                found[name] = ("features", rows * study.features[name].image_bytes)
        if state.trains and cell.weights_id:
            proof = weights_directory(cell.weights_id, results) / "proof.json"
            if not proof.exists():
                found[cell.weights_id] = ("weights", 4 * params(cell.network, 0))
    for one in study.external:
        name = one.made_from["tested_on"]
        if (other := images[name]) and not decoded(one.made_from["dataset"]):
            found[one.made_from["dataset"]] = ("caches", _cache_bytes(study, name, other))
    return found


def _cache_bytes(study: PlannedStudy, dataset: str, images: Images) -> int:
    declaration = study.datasets[dataset].declaration
    planes = 3 if declaration["channels"] == "rgb" else 1
    if holds_masks(declaration):
        planes += images.tasks
    return int(images.total * declaration["image_px"] ** 2 * planes)


def _learned_bytes(cell: Cell, recipe: Recipe) -> int:
    """Return the bytes of the weights that a recipe trains; the others are stored once."""
    point, depths = cell.point, [phase.last_blocks for phase in recipe.phases]
    whole = params(cell.network, point.truncation, cell.decoder)
    frozen = [params(cell.network, point.truncation + k) for k in depths if k is not None]
    return 4 * (whole if None in depths else max(whole - min(frozen), 0))


def _score_bytes(images: Images, checkpoints: int, masks: bool) -> int:
    rows = images.valid + images.test
    # Of masks, counts of each checkpoint and of the mean of as many of the best ones.
    numbers = 2 * COUNTS * checkpoints if masks else checkpoints
    return rows * (4 * images.tasks * (numbers + 1) + NAMES_BYTES)


def _ensemble_bytes(images: Images, masks: bool) -> int:
    each = 8 * COUNTS if masks else 8
    return (images.valid + images.test) * images.tasks * (each + 4)
