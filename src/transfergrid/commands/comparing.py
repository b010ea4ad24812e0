"""What comparing the networks of a study takes: processor time and memory, as a guess."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from transfergrid.commands.compared import images_seen, layers_of
from transfergrid.commands.images import Images
from transfergrid.planning.planned import PlannedStudy
from transfergrid.planning.state_pairs import pairs_of, places

GROUPS = 20
"""Groups of patients that intervals leave out."""
ROWS_PER_DIRECTION = 10
"""Canonical correlations keep one direction for as many rows."""

PRODUCT = 4e-11
"""Seconds for each row and pair of directions, to multiply two states."""
VALUES = 1.5e-10
"""Seconds for each cube of a state's rank, to take singular values or leading directions."""
KEPT = 1e-9
"""Seconds for each cube of the kept directions, to take their singular vectors."""
ONCE = 5e-4
"""Seconds of everything else."""
APART = 3
"""How many times slower or faster than these, which are of one core of a recent processor, another
may be."""


@dataclass(frozen=True)
class Comparing:
    """What the stage takes.

    Attributes:
        seconds: Of one core.
        memory: Bytes for the layer that needs most.
        unknown: Places whose images or networks are not known well enough to be counted.
    """

    seconds: float
    memory: int
    unknown: int


def comparing(study: PlannedStudy, images: Mapping[str, Images | None]) -> Comparing:
    """Return what comparing the states of a study takes.

    Args:
        study: The study.
        images: The size of each data set, where known.
    """
    settings = study.study.config["similarity"] or {}
    by_id = {state.id: state for state in study.states}
    seconds, memory, unknown = 0.0, 0, 0
    for members in places(state.entry for state in study.states).values():
        first, seen = by_id[str(members[0]["id"])], images[members[0]["dataset"]]
        layers = layers_of(study, first, images_seen(first, seen)) if seen else []
        unknown += not layers
        pairs = len(pairs_of(members, settings["pairs"]))
        for width, rows in layers:
            rank = min(width, max(1, rows - 1))
            kept = min(rank, max(1, rows // ROWS_PER_DIRECTION))
            each = ONCE + PRODUCT * rows * rank**2 + VALUES * rank**3 + KEPT * kept**3
            seconds += pairs * (GROUPS + settings["permutations"]) * each
            seconds += len(members) * GROUPS * (ONCE + VALUES * rank**3)
            held = len(members) * rank * (rows + width) + 4 * rank**2
            memory = max(memory, 8 * held)
    return Comparing(seconds, memory, unknown)
