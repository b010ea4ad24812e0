"""How long the jobs take that store activations and measure weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

from transfergrid.commands.compared import images_seen
from transfergrid.commands.estimate import (
    FORWARD_SHARE,
    START_SECONDS,
    Hours,
    image_counts,
    recipes,
    trained_images,
)
from transfergrid.commands.images import Images
from transfergrid.commands.pace import SPREAD, Measured, pace, target_device
from transfergrid.commands.weighed import checkpoints_marked, films_elsewhere, networks_scored
from transfergrid.planning.cells import Cell
from transfergrid.planning.external import EXTERNAL
from transfergrid.planning.outlined import OUTLINES
from transfergrid.planning.paths import RESULTS
from transfergrid.planning.planned import PlannedStudy
from transfergrid.planning.recipe import Recipe
from transfergrid.planning.states import State
from transfergrid.planning.weighings import DRIFT, Weighing


def stored_hours(
    study: PlannedStudy, due: Set[str], known: Sequence[Measured], results: Path = RESULTS
) -> Hours:
    """Estimate the hours that such jobs of a study take on one device.

    Drift needs no image, so each of its jobs takes what it takes to start one.

    Args:
        study: The study.
        due: Ids of the states and measurements that are to be made.
        known: Finished trainings.
        results: The folder of results.

    Returns:
        The hours, in which ``cells`` and ``bases`` count jobs.
    """
    device = target_device(study.study.config["device"], known)
    images, known_recipes = image_counts(study, results), recipes(study)
    low = high = 0.0
    bases: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    cells = _cells(study)
    for one in study.stored:
        if one.id not in due:
            continue
        cell, basis, seconds = cells[one.id], "scaled", 0.0
        seen = one.made_from.get("tested_on", cell.point.dataset)
        count = images[seen]
        if count is None:
            unknown[f"data set {seen} is not decoded yet"] += 1
            continue
        if one.stage != DRIFT:
            px = study.datasets[cell.point.dataset].declaration["image_px"]
            found = pace(cell, known_recipes[cell.point.protocol], px, device, known)
            passes = _passes(study, one, cell, images)
            if found is None or passes is None:
                unknown[f"no cell of {cell.point.architecture} was ever measured"] += 1
                continue
            seconds = passes * FORWARD_SHARE / found.rate
            basis = found.basis if count.exact or found.basis == "guess" else "scaled"
        hours = (START_SECONDS + seconds) / 3600
        low, high = low + hours / SPREAD[basis], high + hours * SPREAD[basis]
        bases[basis] += 1
    return Hours(low, high, device, sum(bases.values()), bases, unknown)


_PLACE = ("dataset", "architecture", "pretraining", "truncation", "fold")


def _cells(study: PlannedStudy) -> dict[str, Cell]:
    """Return the cell of each measurement, and one that has the network of each state, by id."""
    by_name = {cell.name: cell for cell in study.targets}
    of_place = {
        tuple(getattr(cell.point, axis) for axis in _PLACE): cell for cell in study.compared
    }
    found = {one.id: by_name[one.cell] for one in study.weighings}
    for state in study.states:
        found[state.id] = of_place[tuple(state.entry[axis] for axis in _PLACE)]
    return found


def _passes(
    study: PlannedStudy, one: State | Weighing, cell: Cell, sizes: Mapping[str, Images | None]
) -> int | None:
    """Return how many images go through a network, or None if its blocks are not known."""
    if isinstance(one, Weighing) and one.stage == EXTERNAL:
        films = films_elsewhere(one, sizes)
        recipe = study.study.recipes[cell.point.protocol]
        return None if films is None else recipe.keep_checkpoints * films
    images = sizes[cell.point.dataset]
    assert images is not None  # others were told before
    if isinstance(one, State):
        used = one.made_from.get("calibrated")
        calibrated = trained_images(Recipe.from_dict(used), images) if used else 0
        return images_seen(one, images) + calibrated
    if one.stage == OUTLINES:
        return checkpoints_marked(one) * images.test
    networks = networks_scored(study, one, cell)
    return None if networks is None else networks * int(getattr(images, one.made_from["images"]))
