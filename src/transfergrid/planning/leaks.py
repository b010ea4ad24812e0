"""Whether the network from which a cell starts has learned from the cell's test images.

That is so if some training in its chain used the same data set with another fold, or another data
set whose label table has the same content but is split differently.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from transfergrid.catalog.kinds import dataset_kind
from transfergrid.planning.grid import ALL, Point
from transfergrid.planning.inputs import Dataset
from transfergrid.planning.layouts.listed import hashes_of_lists
from transfergrid.planning.releases import find_release
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import canonical_json

Learned = tuple[str, str]
"""Name of a data set, and the fold from which nothing was learned."""

_FORM = {
    "id",
    "table",
    "tables",
    "aggregate",
    "duplicates",
    "view_column",
}
"""Settings that do not decide which images are test images."""
_LOOKS = {"image_px", "resize", "channels", "white", "black", "dicom", "nifti", "nifti_code"}
"""The same, unless near duplicates, which are told by their looks, are kept together."""
_LABELS = {
    "label_columns",
    "label_values",
    "label_separator",
    "no_label",
    "task_kind",
    "task_names",
    "tasks",
    "score_tasks",
    "uncertain",
    "smooth_range",
    "blank",
    "layers",
    "field_of_view",
    "exclusive",
}
"""The same, unless folds are dealt out by labels."""


def leaks(target: Dataset, fold: str, source: Dataset, source_fold: str) -> bool:
    """Tell whether a training on one data set has seen test images of another, or may have.

    Args:
        target: The data set whose images are tested on.
        fold: Its fold, or "all".
        source: The data set of a training that came before.
        source_fold: That training's fold, or "all".
    """
    if source.name == target.name:
        return source_fold != fold
    if not _origins(target) & _origins(source):
        return False
    return source_fold != fold or _division(target) != _division(source)


def check_chain(
    learned: Iterable[tuple[Dataset, str]], target: Dataset, point: Point, source: str
) -> None:
    """Refuse initial weights that have seen images on which a cell is tested.

    Args:
        learned: For each training in the chain, its data set and the fold that it left out.
        target: The cell's data set.
        point: The cell's place on the axes.
        source: The study, for the message.

    Raises:
        UserError: Some training may have learned from the cell's test images.
    """
    found = first_leak(learned, target, point.fold)
    if found is None:
        return
    leak, fold = found
    told = f"was trained for {_in_words(leak.name, fold)}, which"
    why = (
        f"{told} holds its test images"
        if leak.name == target.name
        else f"{told} shares a label table with it and is not split alike, so that test images "
        "may have been learned"
    )
    raise UserError(
        f"{source}: pretraining '{point.pretraining}' for {_in_words(point.dataset, point.fold)} "
        f"starts from a network that {why}; give the source cell the same fold (fold: same), or "
        "leave the pair out with exclude."
    )


def _in_words(dataset: str, fold: str) -> str:
    return ("" if fold == ALL else f"fold {fold} of ") + f"data set '{dataset}'"


def released_warning(release: str | None, target: Dataset, point: Point, source: str) -> str | None:
    """Return a warning if released weights may have learned images on which a cell is tested.

    Args:
        release: The release with which the cell's chain of trainings began, or None.
        target: The cell's data set.
        point: The cell's place on the axes.
        source: The study, for the message.
    """
    own = target.declaration["kind"]
    learned = find_release(release).learned if release else ()
    found = [kind for kind in learned if kind == own or _related(kind, own)]
    if not found:
        return None
    return (
        f"{source}: pretraining '{point.pretraining}' goes back to release '{release}', which "
        f"learned from films of {found[0]}, and data set '{target.name}' holds such films; which "
        "ones it learned from is not known, so test films may be among them."
    )


def shared_warnings(
    learned: Iterable[tuple[Dataset, str]], target: Dataset, point: Point, source: str
) -> list[str]:
    """Return warnings where films that were learned may be films on which a cell is tested.

    The two data sets are of one publication and have no table in common by which planning could
    tell which films these are.

    Args:
        learned: As `check_chain`.
        target: The cell's data set.
        point: The cell's place on the axes.
        source: The study, for the message.
    """
    own = target.declaration["kind"]
    return [
        f"{source}: pretraining '{point.pretraining}' learned data set '{other.name}' "
        f"({other.declaration['kind']}), and data set '{target.name}' ({own}) holds films of the "
        "same publication under other names or in another table; transfergrid leaks counts those "
        "that look alike, once both are prepared."
        for other, _ in learned
        if may_share(target, other)
    ]


def same_films(one: Dataset, other: Dataset) -> bool:
    """Tell whether two data sets are of the same tables of films, however these are divided."""
    return one.name == other.name or bool(_origins(one) & _origins(other))


def may_share(one: Dataset, other: Dataset) -> bool:
    """Tell whether two data sets may hold the same films without a table in common."""
    kinds = one.declaration["kind"], other.declaration["kind"]
    return not same_films(one, other) and _related(*kinds)


def _related(one: str, other: str) -> bool:
    """Tell whether data sets of two kinds may hold the same films without a table in common."""
    pairs = ((one, other), (other, one))
    return any((kind := dataset_kind(a)) is not None and b in kind.films_of for a, b in pairs)


def first_leak(
    datasets: Iterable[tuple[Dataset, str]], target: Dataset, fold: str
) -> tuple[Dataset, str] | None:
    """Return the first training in a chain that has seen a target's test images, if any has."""
    found = (pair for pair in datasets if leaks(target, fold, *pair))
    return next(found, None)


def _origins(dataset: Dataset) -> set[str]:
    """Return what two data sets have in common if they hold the same images."""
    declaration = dataset.declaration
    kind = dataset_kind(declaration["kind"])
    if kind is not None and kind.same:
        values = (str(declaration[key]) for key in kind.same)
        return {" ".join([kind.divides_as.get("kind", kind.name), *values])}
    tables = declaration["tables"]
    if not tables:
        return {canonical_json([declaration["kind"], declaration.get("options", {})])}
    return set(tables.values() if isinstance(tables, dict) else tables)


def _division(dataset: Dataset) -> dict[str, Any]:
    """Return the settings that decide which images are test images."""
    settings = dataset.declaration
    kind, folds = dataset_kind(settings["kind"]), settings.get("folds")
    # Two files of one name may be two lists.
    lists = {"lists": hashes_of_lists(settings)} if settings.get("lists") else {}
    if kind is not None and (kind.official is None or not folds):
        settings = {**settings, **kind.divides_as}
    if not folds and kind is not None and kind.official is not None:
        # Without folds, nothing else decides.
        return {key: settings[key] for key in ("kind", *kind.official)} | lists
    left_out = _FORM if folds and _by_labels(settings) else _FORM | _LABELS
    if not settings.get("group"):
        left_out = left_out | _LOOKS
    return {key: value for key, value in settings.items() if key not in left_out} | lists


def _by_labels(settings: Any) -> bool:
    """Tell whether labels may decide a data set's folds."""
    folds = settings["folds"]
    if folds["column"] or folds["file"] or folds["by"] in ("patient", "group"):
        return False
    kind = dataset_kind(settings["kind"])
    where = kind.patients if kind else None
    known = where is not None and all(settings[key] == value for key, value in where.items())
    return folds["by"] == "stratified" or not (
        known or folds["group_column"] or settings.get("group") or settings.get("patient_column")
    )
