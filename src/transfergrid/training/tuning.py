"""A cell's recipe, with the learning rate that its trials found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transfergrid.planning.paths import tuning_file
from transfergrid.planning.recipe import Recipe
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.sealed import read_sealed


def recipe_of(spec: Mapping[str, Any], results: Path) -> Recipe:
    """Return a cell's recipe, ready to train by.

    Args:
        spec: The content of spec.json.
        results: The folder of all outputs, with what the trials found.

    Raises:
        UserError: The trials have not been run, or are not those of the spec.
    """
    recipe = Recipe.from_dict(spec["recipe"])
    if recipe.tune is None:
        return recipe
    path = tuning_file(spec["tuning"]["id"], results)
    try:
        found = read_sealed(path)
    except OSError:
        raise UserError(
            f"{path}, which holds this cell's learning rate, is missing; run snakemake {path}."
        ) from None
    if {rate: trial["cell"] for rate, trial in found["trials"].items()} != spec["tuning"]["trials"]:
        raise UserError(f"{path} is not about the trials of this cell; remove it and run again.")
    if found["learning_rate"] is None:
        raise UserError(
            f"every trial in {path} diverged, so no learning rate is known; try lower ones."
        )
    return recipe.with_rate(float(found["learning_rate"]))
