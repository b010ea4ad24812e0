"""Whose test scores are looked at closely: curves, operating points and confused classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from transfergrid.planning.cells import Cell
from transfergrid.planning.study import Study
from transfergrid.planning.tasks import holds_masks
from transfergrid.runtime.errors import UserError, listed, suggest

if TYPE_CHECKING:
    from transfergrid.planning.planned import PlannedStudy


def curved(planned: PlannedStudy) -> dict[str, Any]:
    """Return what the stage that makes curves is told of a study; nothing if none is asked for."""
    asked = planned.study.config["curves"]
    if asked is None:
        return {}
    return {
        "cells": [cell.name for cell in _cells(planned.study, planned.targets)],
        "pretrainings": asked["pretrainings"],
        "baselines": [
            name
            for name, own in planned.study.config["pretrainings"].items()
            if own["kind"] == "random"
        ],
        "specificity": asked["specificity"],
    }


def check_curves(study: Study, targets: Sequence[Cell]) -> None:
    """Refuse curves of data sets with masks alone, and of pretrainings that no such cell has.

    Raises:
        UserError: The sentence names the key.
    """
    asked = study.config["curves"]
    if asked is None or not targets:
        return
    cells = _cells(study, targets)
    if not cells:
        raise UserError(
            f"{study.source}: curves are of labels, and all cells that curves.where names learn "
            "masks; leave curves out, or name a data set with labels."
        )
    there = list(dict.fromkeys(cell.point.pretraining for cell in cells))
    for name in asked["pretrainings"] or ():
        if name not in there:
            raise UserError(
                f"{study.source}: curves.pretrainings names '{name}'{suggest(name, there)}, which "
                f"no cell of curves.where has; name some of {listed(there)}."
            )


def _cells(study: Study, targets: Sequence[Cell]) -> list[Cell]:
    datasets, where = study.config["datasets"], study.config["curves"]["where"]
    return [
        cell
        for cell in targets
        if cell.point.matches(where) and not holds_masks(datasets[cell.point.dataset])
    ]
