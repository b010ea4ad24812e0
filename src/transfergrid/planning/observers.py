"""Which data sets have masks of several observers, who are compared with the first one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from transfergrid.catalog.kinds import dataset_kind
from transfergrid.planning.layouts import drive
from transfergrid.planning.named import named
from transfergrid.planning.study import location
from transfergrid.runtime.errors import UserError, listed

Settings = Mapping[str, Any]


def observers_of(settings: Settings) -> Settings | None:
    """Return the settings under which a data set's reader gives every observer's masks.

    Args:
        settings: The data set's settings in the study.

    Returns:
        Those that are other than the data set's own, possibly none; None where there is one
        observer, or the data set has labels.
    """
    kind = dataset_kind(settings["kind"])
    if kind is None or not kind.observers:
        return None
    found: Settings | None = named(kind.observers)(settings)
    return found


def of_arrays(settings: Settings) -> Settings | None:
    """Tell of an .npz: the arrays of true masks, then those of ``observers``."""
    more = list(settings["observers"])
    every = [*settings["masks"], *more]
    if len(every) < 2:
        return None
    return {"masks": every} if more else {}


def of_layers(settings: Settings) -> Settings | None:
    """Tell of a table of films: some layer has observers."""
    return {} if any("observers" in layer for layer in settings["layers"]) else None


def of_drive(settings: Settings) -> Settings | None:
    """Tell of DRIVE: the second observer's vessels are not in every download."""
    folder = drive.base(location(settings["root"], "root of a data set of kind drive"))
    return {} if any(drive.drawn(folder, part, drive.SECOND) for part in drive.PARTS) else None


def check_there(name: str, settings: Settings, tables: Iterable[str]) -> None:
    """Refuse an observer of whom an .npz has no array.

    Args:
        name: The data set's name.
        settings: Its settings in the study.
        tables: Names of the archive's members.

    Raises:
        UserError: A split with films lacks an array.
    """
    there = set(tables)
    splits = [split for split in ("train", "val", "test") if f"{split}_images.npy" in there]
    wanted = [f"{split}_{key}" for key in settings.get("observers", ()) for split in splits]
    lost = [array for array in wanted if f"{array}.npy" not in there]
    if lost:
        known = sorted(member.removesuffix(".npy") for member in there)
        raise UserError(
            f"data set '{name}' has no array {listed(lost)} for datasets.{name}.observers; it has "
            f"{listed(known)}."
        )


def check_arrays(where: str, settings: Settings) -> None:
    """Refuse an array that is both a true mask and a further observer's."""
    both = [name for name in settings["observers"] if name in settings["masks"]]
    if both:
        raise UserError(
            f"{where} names {listed(both)} in masks and in observers; each is compared with the "
            "first one anyway: name it once."
        )
