"""What the schema cannot say: settings that are allowed one by one and not together."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from transfergrid.planning.recipe import Recipe
from transfergrid.runtime.errors import UserError


def check_recipe(where: str, recipe: Recipe) -> None:
    """Raise UserError where a recipe contradicts itself."""
    if recipe.batch_size % recipe.accumulate:
        raise UserError(
            f"{where}: batch_size {recipe.batch_size} cannot be split into {recipe.accumulate} "
            "equal micro-batches; choose accumulate as a divisor."
        )
    if recipe.batch_size // recipe.accumulate < 2:
        raise UserError(
            f"{where}: accumulate {recipe.accumulate} leaves micro-batches of one image, which "
            "batch norm cannot train on; leave at least two."
        )
    if recipe.tune is not None:
        rates = recipe.tune.learning_rates
        if list(rates) != sorted(rates):
            raise UserError(
                f"{where}: tune.learning_rates {list(rates)} do not rise; write the lowest first."
            )
        if recipe.holdout:
            raise UserError(f"{where}: tune and holdout exclude each other; remove holdout.")
    if recipe.train_count is not None and recipe.train_share < 1:
        raise UserError(f"{where}: train_share and train_count exclude each other; keep one.")


def check_dataset_settings(where: str, settings: Mapping[str, Any]) -> None:
    """Raise UserError where a data set's settings contradict each other."""
    low, high = settings.get("smooth_range", (0, 1))
    if low > high:
        raise UserError(f"{where}: smooth_range {[low, high]} is reversed; write the lower first.")
    black, white = settings.get("black", 0), settings.get("white")
    if white is not None and black >= white:
        raise UserError(f"{where}: black {black} is not below white {white}; correct one of them.")
    if settings["kind"] == "csv":
        _check_labels(where, settings)
        _check_split(where, settings["split"])


def _check_labels(where: str, settings: Mapping[str, Any]) -> None:
    columns, separator = settings["label_columns"], settings["label_separator"]
    if settings["task_kind"] == "multiclass":
        for key in ("label_separator", "label_values"):
            if settings[key]:
                raise UserError(
                    f"{where}: task_kind multiclass takes one class a cell as it is written, so "
                    f"{key} has no meaning; remove it, or choose multilabel."
                )
        if len(columns) > 1:
            raise UserError(
                f"{where}: task_kind multiclass takes one column of class names, and label_columns "
                f"has {len(columns)}; name one, or choose multilabel."
            )
    if separator and (len(columns) > 1 or settings["label_values"]):
        raise UserError(
            f"{where}: label_separator takes the labels of one column as they are written; name "
            "one in label_columns, and no label_values."
        )
    if settings["no_label"] and not separator:
        raise UserError(
            f"{where}: no_label belongs to label_separator; give that too, or remove no_label."
        )


def _check_split(where: str, split: Mapping[str, Any]) -> None:
    if "folds" in split and split["fold"] >= split["folds"]:
        raise UserError(
            f"{where}: split.fold {split['fold']} does not exist; allowed are 0 to "
            f"{split['folds'] - 1}."
        )
    if "random" in split and sum(split["random"].values()) >= 1:
        raise UserError(
            f"{where}: split.random gives valid and test {sum(split['random'].values()):g} of the "
            "patients and leaves none to train on; lower the shares."
        )
    if "column" in split:
        parts = [set(map(str, split[part])) for part in ("train", "valid", "test")]
        twice = (parts[0] & parts[1]) | (parts[0] & parts[2]) | (parts[1] & parts[2])
        if twice:
            raise UserError(
                f"{where}: split names the value '{min(twice)}' for two parts; keep it in one."
            )


def check_key_rule(where: str, rule: Mapping[str, Any]) -> None:
    """Raise UserError where a key rule has a wrong regular expression or replacement."""
    for pattern, replacement in [*((drop, "") for drop in rule["drop"]), *rule["rename"]]:
        try:
            _same_groups(re.compile(pattern)).sub(replacement, "")
        except (re.error, IndexError, OverflowError, RecursionError) as error:
            by = f" with the replacement '{replacement}'" if replacement else ""
            raise UserError(
                f"{where}: key_rule holds '{pattern}'{by}, which is no regular expression "
                f"({error})."
            ) from None


def _same_groups(pattern: re.Pattern[str]) -> re.Pattern[str]:
    """Return a pattern with the groups of another that is found at once, to try replacements on."""
    names = {number: name for name, number in pattern.groupindex.items()}
    numbers = range(1, pattern.groups + 1)
    return re.compile("".join(f"(?P<{names[n]}>)" if n in names else "()" for n in numbers))
