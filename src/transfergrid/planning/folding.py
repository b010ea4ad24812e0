"""Whether a recipe keeps weights whose batch norms are folded into the convolutions before them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transfergrid.planning.derivation import keeps_folded
from transfergrid.planning.grid import Point
from transfergrid.planning.recipe import Recipe


def folding_warning(
    weights: Mapping[str, Any], recipe: Recipe, point: Point, source: str
) -> str | None:
    """Return a sentence if a recipe makes another network of weights with folded norms.

    Args:
        weights: What a cell's specification says of its initial weights.
        recipe: The cell's recipe.
        point: Its place on the axes.
        source: The study, for the sentence.
    """
    whole = keeps_folded(weights)
    phases = (p for p in recipe.phases if p.norms == "train" and p.train_layers != "head")
    if not whole or next(phases, None) is None:
        return None
    return (
        f"{source}: pretraining '{point.pretraining}' has folded batch norms, and protocol "
        f"'{point.protocol}' trains with norms: train, whose statistics of each batch undo the "
        "folding, so that another network than the released one starts to learn; write norms: "
        "calibrate or norms: frozen."
    )
