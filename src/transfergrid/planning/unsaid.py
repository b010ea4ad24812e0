"""What a study may write or leave out: written as it would be anyway, it names the same cells.

Most defaults are filled in as a study is read. Here are those that are not: cells of studies that
leave them out have names without them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jsonschema import Draft202012Validator

from transfergrid.planning.mask_losses import MaskLoss
from transfergrid.planning.recipe import Recipe
from transfergrid.planning.schema import study_schema

FORMS: Mapping[str, str] = {"layers": "mask_layer", "field_of_view": "mask_layer", "split": "split"}
"""Settings of data sets in which no default is filled in, with the part of the schema for each."""


def without_defaults(config: dict[str, Any]) -> dict[str, Any]:
    """Leave out of a study's data sets what they say by default, where that is not filled in.

    Args:
        config: A study with its defaults.

    Returns:
        The study; the argument is changed.
    """
    parts = study_schema()["$defs"]
    for settings in config["datasets"].values():
        for key, form in FORMS.items():
            if key in settings:
                settings[key] = _shortened(settings[key], parts[form])
    return config


def plain_recipe(recipe: Recipe, settings: Mapping[str, Any]) -> Recipe:
    """Return a recipe that does not say which loss of masks a data set has anyway.

    Args:
        recipe: A recipe that fits the data set (`planning.meaning.check_loss`).
        settings: The data set's settings.
    """
    exclusive = bool(settings.get("exclusive"))
    usual = MaskLoss.of(None, exclusive)
    parts = MaskLoss.of(recipe.loss, exclusive).parts
    loss = None if parts == usual.parts else recipe.loss
    said = recipe.dice or {}
    dice = {key: value for key, value in said.items() if value != getattr(usual, key)} or None
    if (loss, dice) == (recipe.loss, recipe.dice):
        return recipe
    return replace(recipe, loss=loss, dice=dice)


def _shortened(value: Any, part: Mapping[str, Any]) -> Any:
    """Return a value without what a part of the schema gives by default and does not require."""
    if "$ref" in part:
        name = part["$ref"].removeprefix("#/$defs/")
        return _shortened(value, study_schema()["$defs"][name])
    for form in part.get("oneOf", ()):
        if Draft202012Validator({**form, "$defs": study_schema()["$defs"]}).is_valid(value):
            return _shortened(value, form)
    if isinstance(value, list):
        return [_shortened(item, part.get("items", part)) for item in value]
    if not isinstance(value, dict):
        return value
    parts, required = part.get("properties", {}), part.get("required", ())
    by_default = {key: own["default"] for key, own in parts.items() if "default" in own}
    return {
        key: _shortened(item, parts.get(key, {}))
        for key, item in value.items()
        if key in required or key not in by_default or item != by_default[key]
    }
