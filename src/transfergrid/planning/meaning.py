"""What the schema cannot say: settings that are allowed separately but not together."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from transfergrid.catalog.kinds import dataset_kind
from transfergrid.planning.alike import LEAST_PX
from transfergrid.planning.mask_losses import MaskLoss
from transfergrid.planning.named import named
from transfergrid.planning.recipe import Recipe
from transfergrid.planning.tasks import holds_masks
from transfergrid.planning.volumes import check_volumes
from transfergrid.runtime.errors import UserError, listed


def check_recipe(where: str, recipe: Recipe) -> None:
    """Raise UserError if a recipe contradicts itself."""
    if recipe.batch_size % recipe.accumulate:
        raise UserError(
            f"{where}: batch_size {recipe.batch_size} cannot be split into {recipe.accumulate} "
            "equal micro-batches; choose accumulate as a divisor."
        )
    if recipe.batch_size // recipe.accumulate < 2:
        raise UserError(
            f"{where}: accumulate {recipe.accumulate} leaves micro-batches of one image, on which "
            "batch norm cannot train; leave at least two."
        )
    _check_phases(where, recipe)
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
    other = "train_share" if recipe.train_share < 1 else "train_count"
    if recipe.train_patients is not None and (recipe.train_count or recipe.train_share < 1):
        raise UserError(f"{where}: train_patients and {other} exclude each other; keep one.")


def _check_phases(where: str, recipe: Recipe) -> None:
    for number, phase in enumerate(recipe.phases, 1):
        which = f"{where}: phase {number} ({phase.train_layers})"
        if phase.epochs is not None:
            continue
        if phase.patience is None:
            raise UserError(f"{which} has no end; give it epochs, patience or both.")
        if recipe.schedule != "constant" or recipe.warmup_fraction:
            course = recipe.schedule if recipe.schedule != "constant" else "a warm-up"
            raise UserError(
                f"{which} ends by its patience alone, but the course of the learning rate "
                f"({course}) takes a known number of steps; give it epochs as well, or choose "
                "schedule constant and warmup_fraction 0."
            )
    if recipe.tune is not None and all(p.learning_rate is not None for p in recipe.phases):
        raise UserError(
            f"{where}: tune finds the rate of phases that give none, but every phase gives its "
            "learning_rate; remove one of these, or write tune: null."
        )


def check_redrawing(where: str, recipe: Recipe, name: str, settings: Mapping[str, Any]) -> None:
    """Raise UserError if a recipe draws labels anew of which a data set has none, or hides some.

    Args:
        where: The study and the protocol, for the message.
        recipe: The recipe.
        name: Name of the data set.
        settings: Its settings.
    """
    if not recipe.redraw_uncertain:
        return
    if settings.get("uncertain") != "smooth":
        raise UserError(
            f"{where} has redraw_uncertain, but no labels of data set '{name}' are drawn; write "
            "uncertain: smooth there (kind chexpert), or remove redraw_uncertain."
        )
    low, high = settings["smooth_range"]
    if not 0 < high < 1:
        raise UserError(
            f"{where} has redraw_uncertain, but the smooth_range {[low, high]} of data set "
            f"'{name}' ends in {high:g}, where drawn labels are not told from certain ones; end it "
            "between 0 and 1."
        )


def check_loss(
    where: str, recipe: Recipe, decoder: str | None, name: str, settings: Mapping[str, Any]
) -> None:
    """Raise UserError if a recipe's loss, decoder or stored features do not fit a data set.

    Args:
        where: The study and the protocol, for the message.
        recipe: The recipe.
        decoder: The decoder of one's own that goes with it.
        name: Name of the data set.
        settings: Its settings.
    """
    if not holds_masks(settings):
        given = {"loss": recipe.loss, "dice": recipe.dice, "decoder": decoder}
        if keys := [key for key, value in given.items() if value]:
            raise UserError(
                f"{where} says with {listed(keys)} how masks are learned, and data set '{name}' "
                "has none; remove that, or write another protocol for it."
            )
        return
    if recipe.frozen_prefix == "stored":
        raise UserError(
            f"{where} asks for frozen_prefix: stored, which data set '{name}' cannot have, because "
            "a decoder of masks takes maps of all layers; write auto or computed."
        )
    try:
        MaskLoss.of(recipe.loss, bool(settings.get("exclusive")), recipe.dice)
    except UserError as error:
        raise UserError(f"{where}, data set '{name}': {error}") from None


def check_phase_keys(source: str, study: Mapping[str, Any]) -> None:
    """Raise UserError if a recipe, as written, gives a key that its phases leave without effect."""
    base = study.get("recipe", {})
    protocols = study.get("protocols", {})
    written = {"recipe": base, **{f"protocols.{name}": own for name, own in protocols.items()}}
    for where, recipe in written.items():
        phases = recipe.get("phases", base.get("phases"))
        if phases is None:
            continue
        shared = [key for key in ("learning_rate", "norms") if all(key in p for p in phases)]
        lost = [key for key in ("train_layers", "epochs", "patience", *shared) if key in recipe]
        if lost:
            raise UserError(
                f"{source}: {where} gives {lost[0]}, but each of its phases says that for itself; "
                "remove it here, or write phases: null for a training of one phase."
            )


def check_replaced(source: str, study: Mapping[str, Any]) -> None:
    """Raise UserError if a study, as read, has a key that another one has replaced."""
    metrics = study.get("metrics")
    for name, settings in metrics.items() if isinstance(metrics, Mapping) else ():
        if isinstance(settings, Mapping) and {"of", "function"} <= settings.keys():
            raise UserError(
                f"{source}: metrics.{name} has both of and function; write of for a built-in "
                "metric with other settings, or function for one of your own."
            )
    datasets = study.get("datasets")
    for name, settings in datasets.items() if isinstance(datasets, Mapping) else ():
        split = settings.get("split") if isinstance(settings, Mapping) else None
        if isinstance(split, Mapping) and "folds" in split:
            k, fold = split["folds"], split.get("fold", 0)
            raise UserError(
                f"{source}: data set '{name}' has split: {{folds, fold}}, which is gone; write "
                f"folds: {{ k: {k} }} in its place, which plans every fold, and folds: [{fold}] in "
                "the grid's block to have only that one."
            )


def check_dataset_settings(where: str, settings: Mapping[str, Any]) -> None:
    """Raise UserError if a data set's settings contradict each other."""
    low, high = settings.get("smooth_range", (0, 1))
    if low > high:
        raise UserError(f"{where}: smooth_range {[low, high]} is reversed; write the lower first.")
    black, white = settings.get("black", 0), settings.get("white")
    if white is not None and black >= white:
        raise UserError(f"{where}: black {black} is not below white {white}; correct one of them.")
    if settings.get("group") and settings["image_px"] < LEAST_PX:
        raise UserError(
            f"{where}: group: duplicates tells images apart by their looks, for which image_px "
            f"{settings['image_px']} is too small; choose {LEAST_PX} or more, or remove group."
        )
    if settings.get("nifti"):
        check_volumes(where, settings)
    kind = dataset_kind(settings["kind"])
    if kind is not None and kind.check:
        named(kind.check)(where, settings)
    if settings.get("folds") is not None:
        _check_folds(where, settings, settings["folds"])


def check_table(where: str, settings: Mapping[str, Any]) -> None:
    """Check the columns and splits of a table (kind csv)."""
    _check_labels(where, settings)
    check_split(where, settings)


def check_chexpert(where: str, settings: Mapping[str, Any]) -> None:
    """Refuse folds beside the choice of an official split (kind chexpert)."""
    if settings.get("folds") is not None and (
        settings["validation_share"] or settings["test_split"] != "test"
    ):
        raise UserError(
            f"{where}: folds pool the official splits, so test_split and validation_share have no "
            "meaning; remove them."
        )


def check_shares(where: str, settings: Mapping[str, Any]) -> None:
    """Check the shares of a published data set's images that are drawn to validate or test on."""
    kind = dataset_kind(settings["kind"])
    declared = kind.settings if kind is not None else {}
    shares = [key for key in ("validation_share", "test_share") if key in declared]
    keys = [key for key in ("lists", "split", *shares, "seed") if key in declared]
    given = [key for key in keys if settings[key] != declared[key]["default"]]
    whole = next((key for key in ("folds", "lists") if settings.get(key) is not None), None)
    if whole is not None:
        vain = [key for key in given if key != whole]
        if vain:
            raise UserError(
                f"{where}: {whole} say which images are trained on, validated on and tested on, so "
                f"{vain[0]} has no meaning; remove it."
            )
    elif settings.get("split") != "official" and sum(settings[key] for key in shares) >= 1:
        raise UserError(
            f"{where}: validation_share and test_share are together 1 or more and leave nothing "
            "to train on; lower them."
        )


def _check_labels(where: str, settings: Mapping[str, Any]) -> None:
    columns, separator = settings["label_columns"], settings["label_separator"]
    if settings["task_kind"] == "multiclass":
        for key in ("label_separator", "label_values"):
            if settings[key]:
                raise UserError(
                    f"{where}: task_kind multiclass takes one class per cell as written, so "
                    f"{key} has no meaning; remove it, or choose multilabel."
                )
        if len(columns) > 1:
            raise UserError(
                f"{where}: task_kind multiclass takes one column of class names, but label_columns "
                f"has {len(columns)}; name one, or choose multilabel."
            )
    if separator and (len(columns) > 1 or settings["label_values"]):
        raise UserError(
            f"{where}: label_separator takes the labels in one column as written; name one in "
            "label_columns, and remove label_values."
        )
    if settings["no_label"] and not separator:
        raise UserError(
            f"{where}: no_label belongs to label_separator; give that too, or remove no_label."
        )


def check_split(where: str, settings: Mapping[str, Any]) -> None:
    """Refuse a table's split that contradicts itself, or one beside folds."""
    split, folds = settings.get("split"), settings.get("folds")
    if (split is None) == (folds is None):
        told = "has both split and folds" if split is not None else "has neither split nor folds"
        raise UserError(
            f"{where} {told}; give one of them, such as "
            "split: { random: { valid: 0.1, test: 0.2 } }, or folds: { k: 5 }."
        )
    if split is None:
        return
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


def _check_folds(where: str, settings: Mapping[str, Any], folds: Mapping[str, Any]) -> None:
    kind = dataset_kind(settings["kind"])
    published = [key for key in ("column", "file") if folds[key] is not None]
    if len(published) == 2:
        raise UserError(f"{where}: folds.column and folds.file exclude each other; keep one.")
    if published and folds["by"] is not None:
        raise UserError(
            f"{where}: folds.by says how folds are drawn, and folds.{published[0]} gives them; "
            "remove one of the two."
        )
    for key in ("column", "group_column"):
        if folds[key] is not None and kind is not None and not kind.columns:
            raise UserError(
                f"{where}: folds.{key} names a column of a table (kind csv), but kind "
                f"{kind.name} has no table; remove it."
            )
    given = folds["group_column"] or settings.get("group")
    if folds["by"] == "group" and not given and kind is not None:
        raise UserError(
            f"{where}: folds.by is group, but no groups are given; name their column as "
            "folds.group_column (kind csv), write group: duplicates, or choose another folds.by."
        )
    if folds["file"] is not None and not settings.get("root"):
        raise UserError(
            f"{where}: folds.file is a table in root, but the data set has no root; draw the folds."
        )
    if folds["file"] is not None and folds["valid"] != "next":
        raise UserError(
            f"{where}: folds.file says what each fold validates on, so folds.valid has no meaning; "
            "remove it."
        )
    drawn = folds["file"] is None and folds["valid"] != "next"
    if published and folds["seed"] != 0 and not drawn:
        raise UserError(
            f"{where}: folds.{published[0]} gives the folds and nothing is drawn, so folds.seed "
            "has no meaning; remove it."
        )
    if folds["valid"] == "next" and folds["k"] == 2 and folds["file"] is None:
        raise UserError(
            f"{where}: with folds.k 2 and valid next, no part is left to train on; give k as 3 or "
            "more, or valid as a share."
        )


def check_key_rule(where: str, rule: Mapping[str, Any]) -> None:
    """Raise UserError if a key rule has a wrong regular expression or replacement."""
    for pattern, replacement in [*((drop, "") for drop in rule["drop"]), *rule["rename"]]:
        try:
            _same_groups(re.compile(pattern)).sub(replacement, "")
        except (re.error, IndexError, OverflowError, RecursionError) as error:
            by = f" with the replacement '{replacement}'" if replacement else ""
            raise UserError(
                f"{where}: key_rule holds '{pattern}'{by}, which is not a regular expression "
                f"({error})."
            ) from None


def _same_groups(pattern: re.Pattern[str]) -> re.Pattern[str]:
    """Return a pattern with another's groups that always matches, to try replacements on."""
    names = {number: name for name, number in pattern.groupindex.items()}
    numbers = range(1, pattern.groups + 1)
    return re.compile("".join(f"(?P<{names[n]}>)" if n in names else "()" for n in numbers))
