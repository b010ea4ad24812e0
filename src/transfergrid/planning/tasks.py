"""Which kinds of task a data set may hold, as far as planning knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transfergrid.catalog.kinds import LABELS, dataset_kind
from transfergrid.catalog.tasks import TASK_KINDS, TaskKind
from transfergrid.planning.fingerprint import modules_fingerprint
from transfergrid.runtime.errors import UserError, listed

MASKS = "segmentation"
"""The kind of task whose truth is a mask of each structure."""
UNET = "unet"
"""What the U-Net's decoder is called beside those of the user's own, ``module:function``."""


def task_kind(name: str) -> TaskKind:
    """Return a kind of task by name.

    Raises:
        UserError: There is none of that name.
    """
    for kind in TASK_KINDS:
        if kind.name == name:
            return kind
    raise UserError(f"task_kind is '{name}'; allowed are {listed([k.name for k in TASK_KINDS])}.")


def possible_kinds(settings: Mapping[str, Any]) -> tuple[TaskKind, ...]:
    """Return the kinds of task that a data set may hold: one, or several until it is read.

    Args:
        settings: The data set's settings in the study.
    """
    if settings.get("task_kind"):
        return (task_kind(settings["task_kind"]),)
    kind = dataset_kind(settings["kind"])
    if kind is None:
        # Labels of images are of one of these; another kind has to be named.
        return tuple(task_kind(name) for name in LABELS)
    for key, kinds in kind.task_kind_of.items():
        return (task_kind(kinds[settings[key]]),)
    return tuple(task_kind(name) for name in kind.task_kinds)


def holds_masks(settings: Mapping[str, Any]) -> bool:
    """Tell whether a data set's truth is masks and not labels.

    Args:
        settings: The data set's settings in the study.
    """
    return possible_kinds(settings)[0].name == MASKS


def decoder_of(settings: Mapping[str, Any], own: str | None) -> str:
    """Return what is put on a network of cells of a data set: "" where that ends in labels.

    Args:
        settings: The data set's settings in the study.
        own: ``module:function`` of a decoder of the user's own, or None for `UNET`.
    """
    return (own or UNET) if holds_masks(settings) else ""


def task_modules(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the modules of all kinds of task that a data set may hold, both halves of each."""
    return tuple(m for kind in possible_kinds(settings) for m in (kind.learn, kind.score))


def tasks_fingerprint(settings: Mapping[str, Any]) -> str:
    """Return the fingerprint of the code of all kinds of task that a data set may hold."""
    return modules_fingerprint(task_modules(settings))
