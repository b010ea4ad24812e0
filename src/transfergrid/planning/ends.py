"""The two ends of a training, as whatever measures trained weights names them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transfergrid.planning.paths import RESULTS
from transfergrid.planning.recipe import Recipe

INITIAL, SOURCE = "initial", "source"
"""What a layer can be put back to: the cell's own start, or the weights that it is derived from."""
USED = ("train_share", "train_count", "train_patients", "holdout")
"""The settings of a recipe that decide which training images a cell uses."""
_DERIVING = ("keep", "derive")
"""Keys of a specification's ``weights`` that say what is kept of released or trained weights."""


def underived(weights: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the weights that a cell's initial weights are derived from.

    Args:
        weights: ``weights`` of its specification.

    Returns:
        The same without what is kept of them; None if all of them are, if they are drawn, or if
        they are of another network, as those of a slim one.
    """
    if (weights.get("derive") or {}).get("base"):
        return None
    whole = {key: value for key, value in weights.items() if key not in _DERIVING}
    return whole if len(whole) < len(weights) else None


def calibrated_start(recipe: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what decides the statistics that drawn weights take before they learn, or None.

    Loaded weights, and all that learn before a later phase calibrates them, go on computing what
    they did: of these the start is the network as it was.

    Args:
        recipe: ``recipe`` of a cell's specification.
    """
    if Recipe.from_dict(recipe).calibrated_phase != 0:
        return None
    return {key: recipe[key] for key in USED if key in recipe}


def weighings_directory(weighing_id: str, results: Path = RESULTS) -> Path:
    """Return the folder of what was measured on a cell's weights."""
    return results / "weighings" / weighing_id
