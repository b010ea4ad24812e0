"""From grid blocks to points: cross product, exclude, include, slice."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from transfergrid.catalog.axes import AXES
from transfergrid.planning.wanted import each
from transfergrid.runtime.errors import UserError, listed, suggest

ALL = "all"
"""The fold of a cell whose data set is not cut into folds."""

MOST_POINTS = 200_000
"""In one study: at ten minutes each, four years of a GPU."""


@dataclass(frozen=True)
class Point:
    """One combination of the axes.

    Attributes:
        fold: Number of the test fold, as text, or `ALL`.
    """

    dataset: str
    architecture: str
    pretraining: str
    truncation: int
    protocol: str
    seed: int
    fold: str = ALL

    def axes(self) -> dict[str, Any]:
        """Return the values by axis; a fold only if there is one."""
        values = dict(vars(self))
        if self.fold == ALL:
            del values["fold"]
        return values

    def matches(self, pattern: Mapping[str, Any]) -> bool:
        """Tell whether the point has a value that the pattern names of every axis in it."""
        return all(getattr(self, axis) in each(wanted) for axis, wanted in pattern.items())


def expand(config: Mapping[str, Any], source: str) -> list[Point]:
    """Return the study's points in order, each once: the grid, or its slice `only`.

    Raises:
        UserError: An exclude that matches nothing, or a slice that names a value no cell has.
    """
    return _slice(whole_grid(config, source), config["only"], source)


@dataclass(frozen=True)
class Slice:
    """What `only` has taken of a grid.

    Attributes:
        whole: Cells of the whole grid.
        kept: Cells of the slice.
        left_out: For each axis (in the plural), the values of which the slice has no cell.
    """

    whole: int
    kept: int
    left_out: Mapping[str, list[Any]]


def slice_of(config: Mapping[str, Any], source: str) -> Slice | None:
    """Return what a study's slice leaves out, or None if its cells are the whole grid."""
    whole, kept = whole_grid(config, source), expand(config, source)
    if len(whole) == len(kept):
        return None
    left_out = {}
    for axis, plural in AXES.items():
        there = {getattr(point, axis) for point in kept}
        values = dict.fromkeys(getattr(point, axis) for point in whole)
        if lost := [value for value in values if value not in there]:
            left_out[plural] = lost
    return Slice(len(whole), len(kept), left_out)


def whole_grid(config: Mapping[str, Any], source: str) -> list[Point]:
    """Return the points of all blocks in order, each once, regardless of the slice.

    Raises:
        UserError: An exclude that matches nothing, or more points than anyone can train.
    """
    _check_count(config, source)
    points: dict[Point, None] = {}
    for number, block in enumerate(config["grid"]):
        kept = dict.fromkeys(_product(config, block, f"{source}: grid[{number}]"))
        for pattern in block["exclude"]:
            matched = [point for point in kept if point.matches(pattern)]
            if not matched:
                raise UserError(
                    f"{source}: grid[{number}].exclude {dict(pattern)} matches no cell of the "
                    "block; correct or remove it."
                )
            for point in matched:
                del kept[point]
        for pattern in block["include"]:
            kept |= dict.fromkeys(
                _product(config, block, f"{source}: grid[{number}].include", pattern)
            )
        points |= kept
    return list(points)


def _check_count(config: Mapping[str, Any], source: str) -> None:
    """Refuse a grid before it is expanded, which would fill the memory."""
    count = 0
    for block in config["grid"]:
        for fixed in ({}, *block["include"]):
            count += _count(config, block, fixed)
    if count > MOST_POINTS:
        raise UserError(
            f"{source}: the grid asks for {count} cells, but a study has at most {MOST_POINTS}; "
            "shorten its axes or split it into studies."
        )


def _count(config: Mapping[str, Any], block: Mapping[str, Any], fixed: Mapping[str, Any]) -> int:
    """Return how many points a block has, or a few more: naming some folds counts as all folds."""
    datasets = [fixed["dataset"]] if "dataset" in fixed else block["datasets"]
    folds = sum(1 if "fold" in fixed else len(folds_of(config, name)) for name in datasets)
    rest = (many for one, many in AXES.items() if one not in (*fixed, "dataset", "fold"))
    return int(math.prod(len(block[many]) for many in rest)) * folds


def folds_of(config: Mapping[str, Any], dataset: str) -> list[str]:
    """Return the folds of a study's data set; only `ALL` if it is not cut into folds."""
    folds = config["datasets"].get(dataset, {}).get("folds")
    return [str(number) for number in range(folds["k"])] if folds else [ALL]


def folds_beside(points: Iterable[Point]) -> dict[Point, list[str]]:
    """Return, for every point with a fold, the folds of all points that differ only in it."""
    runs: dict[Point, list[Point]] = {}
    for point in points:
        if point.fold != ALL:
            runs.setdefault(replace(point, fold=ALL), []).append(point)
    found: dict[Point, list[str]] = {}
    for members in runs.values():
        folds = sorted((point.fold for point in members), key=int)
        found |= dict.fromkeys(members, folds)
    return found


def check_folds(points: Iterable[Point], source: str) -> None:
    """Check that all points of a data set have the same folds.

    Answers are given for what is left of them when their folds are pooled, and compared on the
    same patients.

    Raises:
        UserError: Some points lack folds that others of their data set have.
    """
    first: dict[str, tuple[Point, list[str]]] = {}
    for point, folds in folds_beside(points).items():
        other, theirs = first.setdefault(point.dataset, (point, folds))
        if folds != theirs:
            raise UserError(
                f"{source}: {_of(point)} has fold(s) {listed(folds)} of data set "
                f"'{point.dataset}', and {_of(other)} has {listed(theirs)}; answers pool the folds "
                "and compare on the same patients, so give all cells of a data set the same folds."
            )


def _of(point: Point) -> str:
    return (
        f"{point.architecture} with {point.pretraining}, truncation {point.truncation}, protocol "
        f"{point.protocol}, seed {point.seed}"
    )


def _product(
    config: Mapping[str, Any],
    block: Mapping[str, Any],
    where: str,
    fixed: Mapping[str, Any] | None = None,
) -> list[Point]:
    fixed = fixed or {}
    axes = {
        axis: [fixed[axis]] if axis in fixed else block[plural]
        for axis, plural in AXES.items()
        if axis != "fold"
    }
    asked = [fixed["fold"]] if "fold" in fixed else block["folds"]
    there = {name: folds_of(config, name) for name in axes["dataset"]}
    unknown = set(asked or ()) - {fold for folds in there.values() for fold in folds}
    if unknown:
        told = listed(f"{name} has {_told(folds)}" for name, folds in there.items())
        raise UserError(
            f"{where} names fold {min(unknown)}, which none of its data sets has: {told}."
        )
    points = []
    for values in itertools.product(*axes.values()):
        folds = there[values[0]]
        if (asked is not None and folds != [ALL]) or "fold" in fixed:
            folds = [fold for fold in folds if fold in asked]
        points += [Point(*(*values, fold)) for fold in folds]
    return points


def _told(folds: Sequence[str]) -> str:
    return "no folds" if folds == [ALL] else f"folds 0 to {len(folds) - 1}"


def _slice(whole: list[Point], only: Mapping[str, list[Any]], source: str) -> list[Point]:
    points = whole
    for field, (axis, plural) in zip(fields(Point), AXES.items(), strict=True):
        keep = {str(value) for value in only[plural]}
        if not keep:
            continue
        present = {str(getattr(point, axis)) for point in whole}
        unknown = sorted(keep - present)
        if unknown:
            raise UserError(
                f"{source}: only.{plural} names '{unknown[0]}'{suggest(unknown[0], present)}, "
                f"which no cell has; the grid has {listed(sorted(present))}."
            )
        points = [point for point in points if str(getattr(point, field.name)) in keep]
    return points
