"""Whether a recipe keeps weights whose batch norms are folded into the convolutions before them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transfergrid.planning.derivation import keeps_blocks, keeps_folded
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
    if not keeps_folded(weights):
        return None
    where = f"{source}: pretraining '{point.pretraining}' has folded batch norms, and protocol"
    result = "so that another network than the released one starts to learn; write norms:"
    part = keeps_blocks(weights)
    if any(p.norms == "train" and p.train_layers != "head" for p in recipe.phases):
        return (
            f"{where} '{point.protocol}' trains with norms: train, whose statistics of each batch "
            f"undo the folding, {result} {'' if part else 'calibrate or norms: '}frozen."
        )
    if part and recipe.calibrated_phase == 0:
        return (
            f"{where} '{point.protocol}' calibrates them before anything learns, which of weights "
            "that are drawn in part sets statistics alone; that undoes the folding in the blocks "
            f"that are kept, {result} frozen."
        )
    return None
