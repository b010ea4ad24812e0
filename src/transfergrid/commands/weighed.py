"""What measuring the weights of trained cells takes: networks that are scored, and disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from transfergrid.catalog.external import EVERY
from transfergrid.commands.images import Images
from transfergrid.planning.architectures import find_architecture, known_architectures
from transfergrid.planning.cells import Cell
from transfergrid.planning.ends import INITIAL, weighings_directory
from transfergrid.planning.external import EXTERNAL
from transfergrid.planning.outlined import OUTLINES, numbers_of
from transfergrid.planning.planned import PlannedStudy
from transfergrid.planning.records import is_whole
from transfergrid.planning.weighings import DRIFT, Weighing

DRIFT_BYTES = 100_000
"""The first filters of both ends of a training, 64 of 7 x 7 pixels and three channels as in a
ResNet, and the receipt."""
NAMES_BYTES = 3 * 4 * 30
"""Three ids of an image, of up to thirty letters of four bytes each."""


def cells_by_name(study: PlannedStudy) -> dict[str, Cell]:
    """Return the cells that may be measured."""
    return {cell.name: cell for cell in study.targets}


def networks_scored(study: PlannedStudy, one: Weighing, cell: Cell) -> int | None:
    """Return how many networks a layer reset scores: the trained one, and one for each layer.

    Layers are the stem, each block, all before the classifier, and the classifier, which weights of
    a source do not have.

    Args:
        study: The study.
        one: The measurement; none of drift.
        cell: Its cell.

    Returns:
        The number, or None for a network whose blocks are not known before it is built.
    """
    network = find_architecture(cell.point.architecture, study.study.config["architectures"])
    if network.of not in known_architectures():
        return None
    layers = network.blocks - cell.point.truncation + 1
    return 1 + sum(layers + (end == INITIAL) for end in one.made_from["to"])


def checkpoints_marked(one: Weighing) -> int:
    """Return from how many checkpoints masks are compared, at most."""
    rules = one.made_from["selections"]
    best = [int(rule.removeprefix("top")) for rule in rules if rule.startswith("top")]
    return max([*best, int("best" in rules)]) + int("last" in rules)


def films_elsewhere(one: Weighing, images: Mapping[str, Images | None]) -> int | None:
    """Return how many films of another data set a cell is scored on; None where not known."""
    seen = images[one.made_from["tested_on"]]
    if seen is None:
        return None
    return seen.total if one.made_from["split"] == EVERY else seen.test


def weighings_lacking(
    study: PlannedStudy, images: Mapping[str, Images | None], results: Path
) -> dict[str, tuple[str, int]]:
    """Return ("weighings", bytes) of the measurements that a study lacks, by id.

    Args:
        study: The study.
        images: The size of each data set, where known.
        results: The folder of results.
    """
    cells, found = cells_by_name(study), {}
    for one in study.weighings:
        if is_whole(weighings_directory(one.id, results)):
            continue
        cell = cells[one.cell]
        seen = images[cell.point.dataset]
        if one.stage == DRIFT:
            found[one.id] = ("weighings", DRIFT_BYTES)
        elif one.stage == OUTLINES:
            if seen is not None:
                made_from, row = one.made_from, 8 * seen.tasks
                row *= numbers_of(made_from["tolerances"]) * len(made_from["selections"])
                found[one.id] = ("weighings", seen.test * (row + NAMES_BYTES))
        elif one.stage == EXTERNAL:
            films = films_elsewhere(one, images)
            if seen is not None and films is not None:
                checkpoints = study.study.recipes[cell.point.protocol].keep_checkpoints
                row = 4 * seen.tasks * (checkpoints + 1) + NAMES_BYTES
                found[one.id] = ("weighings", films * row)
        elif seen is not None and (networks := networks_scored(study, one, cell)):
            rows = getattr(seen, one.made_from["images"])
            found[one.id] = ("weighings", rows * (4 * seen.tasks * networks + NAMES_BYTES))
    return found
