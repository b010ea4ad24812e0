"""Where in the grid a cell lies that another one starts from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transfergrid.planning.grid import ALL, Point, folds_of
from transfergrid.planning.study import Study
from transfergrid.runtime.errors import UserError, listed, suggest


def entry_of(study: Study, section: str, name: str, used_by: str) -> Mapping[str, Any]:
    """Return what a study says of something that it names.

    Args:
        study: The study.
        section: The key that defines such things, such as ``datasets``.
        name: The name.
        used_by: What names it, for the message.

    Raises:
        UserError: The study defines no such thing.
    """
    entries = study.config[section]
    if name not in entries:
        raise UserError(
            f"{study.source}: {used_by} names '{name}'{suggest(name, entries)}, which "
            f"{section} does not define; it has {listed(entries)}."
        )
    entry: Mapping[str, Any] = entries[name]
    return entry


def source_point(study: Study, point: Point, settings: Mapping[str, Any]) -> Point:
    """Return the place of the cell whose best checkpoint another cell starts from.

    Args:
        study: The study.
        point: The place of the cell that starts from it.
        settings: The pretraining's settings, of a kind that is trained.

    Raises:
        UserError: It names what the study does not define, or a fold that is not there.
    """
    used_by = f"pretraining '{point.pretraining}'"
    for section, key in (
        ("datasets", "dataset"),
        ("protocols", "protocol"),
        ("pretrainings", "pretraining"),
    ):
        entry_of(study, section, settings[key], used_by)
    return Point(
        dataset=settings["dataset"],
        architecture=point.architecture,
        pretraining=settings["pretraining"],
        truncation=0,
        protocol=settings["protocol"],
        seed=point.seed if settings["seed"] == "same" else settings["seed"],
        fold=_source_fold(study, point, settings),
    )


def _source_fold(study: Study, point: Point, settings: Mapping[str, Any]) -> str:
    """Return a source cell's fold: on the same data set, that of the cell it is for."""
    dataset, named = settings["dataset"], settings["fold"]
    if dataset == point.dataset and named is None:
        return point.fold
    folds = folds_of(study.config, dataset)
    where = f"{study.source}: pretraining '{point.pretraining}'"
    if folds == [ALL]:
        if named not in (None, "same"):
            raise UserError(
                f"{where} names fold {named}, but its data set '{dataset}' is not cut into "
                "folds; remove the key."
            )
        return ALL
    if named is None:
        raise UserError(
            f"{where} is trained on data set '{dataset}', which is cut into folds; say which "
            f"one: fold: same, or a number from 0 to {len(folds) - 1}."
        )
    fold = point.fold if named == "same" else str(named)
    if fold not in folds:
        told = f"fold {fold}" if fold != ALL else f"fold same, and '{point.dataset}' has none"
        raise UserError(
            f"{where} names {told}; data set '{dataset}' has folds 0 to {len(folds) - 1}."
        )
    return fold
