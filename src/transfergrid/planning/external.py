"""Which finished cells are scored on the films of other hospitals, and how.

A block of ``external`` names data sets and cells. Each pair of a cell and such a data set is a
measurement of a trained cell (`transfergrid.planning.weighings`): nothing is trained, no cell is
renamed, and nothing is chosen by what is found.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from transfergrid.catalog.external import EVERY
from transfergrid.planning.cells import Cell, CellBuilder
from transfergrid.planning.declared_tasks import declared_tasks
from transfergrid.planning.grid import ALL, Point
from transfergrid.planning.inputs import Dataset
from transfergrid.planning.leaks import (
    first_leak,
    may_share,
    released_warning,
    same_films,
)
from transfergrid.planning.study import Study
from transfergrid.planning.task_names import MULTICLASS, check_whole, common_tasks
from transfergrid.planning.tasks import holds_masks, possible_kinds
from transfergrid.planning.weighings import Weighing, name_of
from transfergrid.runtime.errors import UserError

EXTERNAL = "external"
"""The stage that scores."""
_ALIKE = ("image_px", "resize", "channels", "aggregate")
"""Settings in which two data sets must agree for a network to see both in the same way."""
_GUESSED = ("zeros", "ones")
"""What ``uncertain`` says where training labels hide which of them nobody knew."""


def external_of(
    study: Study, targets: Sequence[Cell], builder: CellBuilder, whole: Collection[Point]
) -> tuple[tuple[Weighing, ...], list[str]]:
    """Return which cells are scored on which other data sets, and sentences for the user.

    Args:
        study: The study.
        targets: Its cells.
        builder: Has built them; knows what each has learned, and resolves the other data sets.
        whole: The points of the whole grid, of which a slice may have left some out.

    Raises:
        UserError: A data set that is not there, that the cells would see in another way than their
            own, or that they have learned from; or a block without a cell.
    """
    found: dict[tuple[str, str], Weighing] = {}
    told: dict[str, None] = {}
    for number, block in enumerate(study.config["external"]):
        where = f"{study.source}: external[{number}]"
        others = [builder.dataset(name, f"external[{number}]") for name in block["tested_on"]]
        _check_points(where, block, whole)
        for cell in targets:
            for other in others if cell.point.matches(block["where"]) else ():
                if other.name == cell.point.dataset:
                    continue
                _check_pair(where, study, block, builder.datasets[cell.point.dataset], other)
                told |= dict.fromkeys(_audited(where, builder, block, cell, other))
                if (cell.name, other.name) in found:
                    raise UserError(
                        f"{where} tests the cells of '{cell.point.dataset}' on '{other.name}', as "
                        "another block does; leave it out of one of them."
                    )
                found[cell.name, other.name] = _weighing(cell, other, block)
    return tuple(found.values()), list(told)


def _weighing(cell: Cell, other: Dataset, block: Mapping[str, Any]) -> Weighing:
    made_from = {
        "cell": cell.name,
        "dataset": other.id,
        "tested_on": other.name,
        "split": block["split"],
        "tasks": None if block["tasks"] is None else sorted(block["tasks"]),
    }
    name = name_of(cell, EXTERNAL, made_from)
    return Weighing(name, EXTERNAL, cell.name, other.id, None, None, made_from)


def _check_points(where: str, block: Mapping[str, Any], whole: Collection[Point]) -> None:
    """Refuse a block by which no cell of the grid is tested on another data set than its own."""
    if "fold" in block["where"]:
        raise UserError(
            f"{where} names a fold in its where, but what the networks of all folds score "
            "elsewhere is pooled; leave fold out."
        )
    matched = {point.dataset for point in whole if point.matches(block["where"])}
    for name in block["tested_on"]:
        if not matched - {name}:
            own = f"only cells of '{name}' itself" if matched else "no cell of the grid"
            raise UserError(
                f"{where} tests {own} on '{name}'; name cells of another data set in where."
            )


def _check_pair(
    where: str, study: Study, block: Mapping[str, Any], own: Dataset, other: Dataset
) -> None:
    """Refuse a data set that networks of another would not see as their own, or cannot score.

    Raises:
        UserError: The sentence says what to write.
    """
    settings = study.config["datasets"]
    mine, theirs = settings[own.name], settings[other.name]
    for name, of in ((own.name, mine), (other.name, theirs)):
        if holds_masks(of):
            raise UserError(
                f"{where} has data set '{name}', which has masks; data sets with labels alone are "
                "tested elsewhere, so leave it out, or name others in where."
            )
    kinds = [{kind.name for kind in possible_kinds(of)} for of in (mine, theirs)]
    if not kinds[0] & kinds[1]:
        raise UserError(
            f"{where}: cells of '{own.name}' are {min(kinds[0])} and '{other.name}' is "
            f"{min(kinds[1])}; name data sets of one kind of task."
        )
    for key in _ALIKE:
        asked, there = own.declaration[key], other.declaration[key]
        if asked != there:
            raise UserError(
                f"{where}: networks of '{own.name}' learned films with {key} {asked}, and "
                f"'{other.name}' has {there}; write {key}: {asked} for datasets.{other.name}."
            )
    _check_tasks(where, study, block, own, other)
    if block["split"] == EVERY:
        if theirs.get("uncertain") in _GUESSED:
            raise UserError(
                f"{where} scores every film of '{other.name}', whose training labels take "
                f"uncertain ones for {theirs['uncertain']}; write uncertain: ignore there, or "
                "split: test."
            )
    elif theirs.get("folds"):
        raise UserError(
            f"{where}: data set '{other.name}' is cut into folds and so has no test split of its "
            "own; write split: all, or leave its folds out."
        )


def _check_tasks(
    where: str, study: Study, block: Mapping[str, Any], own: Dataset, other: Dataset
) -> None:
    """Refuse tasks that two data sets do not share, as far as the study tells."""
    settings = [study.config["datasets"][data.name] for data in (own, other)]
    if any([kind.name for kind in possible_kinds(one)] == [MULTICLASS] for one in settings):
        check_whole(where, block["tasks"])
    mine, theirs = (declared_tasks(data.name, settings[n]) for n, data in enumerate((own, other)))
    if mine is not None and theirs is not None:
        try:
            common_tasks(mine, theirs, {"tested_on": other.name, "tasks": block["tasks"]})
        except UserError as error:
            raise UserError(f"{where}: {error}") from None


def _audited(
    where: str, builder: CellBuilder, block: Mapping[str, Any], cell: Cell, other: Dataset
) -> list[str]:
    """Refuse films that a cell has learned from, or is tested on already; warn where it may have.

    Raises:
        UserError: The sentence names what was learned.
    """
    own = builder.datasets[cell.point.dataset]
    if same_films(own, other):
        raise UserError(
            f"{where}: data set '{other.name}' is of the same films as '{own.name}', on which its "
            "cells are trained and tested; that is no other hospital, so leave it out."
        )
    learned = [(builder.datasets[name], fold) for name, fold in builder.learned[cell.name]]
    leak = first_leak(learned, other, ALL)
    if leak is None and block["split"] == EVERY:
        leak = next((pair for pair in learned if same_films(pair[0], other)), None)
    if leak is not None:
        advice = "write split: test, or " if block["split"] == EVERY else ""
        raise UserError(
            f"{where}: pretraining '{cell.point.pretraining}' goes back to a training on "
            f"'{leak[0].name}', which has seen films of '{other.name}' that would be tested; "
            f"{advice}leave such cells out with where."
        )
    source = builder.study.source
    told = [
        f"{source}: cells of '{own.name}' have learned data set '{before.name}' "
        f"({before.declaration['kind']}), and '{other.name}' ({other.declaration['kind']}), on "
        "which they are tested too, may hold films of the same publication; transfergrid leaks "
        "counts those that look alike, once both are prepared."
        for before, _ in learned
        if may_share(other, before)
    ]
    release = released_warning(builder.releases[cell.name], other, cell.point, str(source))
    return [*told, *([release] if release else [])]
