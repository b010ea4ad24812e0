"""From grid blocks to points: cross product, exclude, include, slice."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from transfergrid.runtime.errors import UserError, listed, suggest

AXES = {
    "dataset": "datasets",
    "architecture": "architectures",
    "pretraining": "pretrainings",
    "truncation": "truncations",
    "protocol": "protocols",
    "seed": "seeds",
}


MOST_POINTS = 200_000
"""Of one study: at ten minutes each, four years of a GPU."""


@dataclass(frozen=True)
class Point:
    """One combination of the six axes."""

    dataset: str
    architecture: str
    pretraining: str
    truncation: int
    protocol: str
    seed: int

    def matches(self, pattern: Mapping[str, Any]) -> bool:
        """Tell whether the point agrees with every axis that the pattern names."""
        return all(getattr(self, axis) == value for axis, value in pattern.items())


def expand(config: Mapping[str, Any], source: str) -> list[Point]:
    """Return the points of the study in order, each once: the grid, or the slice `only` of it.

    Raises:
        UserError: An exclude that matches nothing, or a slice that names what no cell has.
    """
    return _slice(whole_grid(config, source), config["only"], source)


@dataclass(frozen=True)
class Slice:
    """What `only` has taken of a grid.

    Attributes:
        whole: Cells of the whole grid.
        kept: Cells of the slice.
        left_out: By plural of the axis the values that the slice has no cell of.
    """

    whole: int
    kept: int
    left_out: Mapping[str, list[Any]]


def slice_of(config: Mapping[str, Any], source: str) -> Slice | None:
    """Return what a study's slice leaves out, None where its cells are the whole grid's."""
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
    """Return the points of all blocks in order, each once, whatever the slice.

    Raises:
        UserError: An exclude that matches nothing, or more points than anyone can train.
    """
    _check_count(config, source)
    points: dict[Point, None] = {}
    for number, block in enumerate(config["grid"]):
        kept = dict.fromkeys(_product(block))
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
            kept |= dict.fromkeys(_product(block, pattern))
        points |= kept
    return list(points)


def _check_count(config: Mapping[str, Any], source: str) -> None:
    """Refuse a grid before it is written out, which would fill the memory."""
    count = 0
    for block in config["grid"]:
        for fixed in ({}, *block["include"]):
            count += math.prod(len(block[many]) for one, many in AXES.items() if one not in fixed)
    if count > MOST_POINTS:
        raise UserError(
            f"{source}: the grid asks for {count} cells, and a study has at most {MOST_POINTS}; "
            "shorten its axes or split it into studies."
        )


def _product(block: Mapping[str, Any], fixed: Mapping[str, Any] | None = None) -> list[Point]:
    fixed = fixed or {}
    axes = [[fixed[axis]] if axis in fixed else block[plural] for axis, plural in AXES.items()]
    return [Point(*values) for values in itertools.product(*axes)]


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
