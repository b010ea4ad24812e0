"""Where a data set says more of its images than their labels.

Apart from what planning checks of a study, so that no edit of that redoes a table.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transfergrid.catalog.dataset_kind import DatasetKind, Described
from transfergrid.planning.named import named

VIEW = "view"
"""The column that every reader gives, in its manifest if no table has it."""


def described_by(kind: DatasetKind | None, settings: Mapping[str, Any]) -> Described | None:
    """Return where a data set says more of its images; None where it does not.

    Args:
        kind: Its kind; None for a reader of a study's own.
        settings: Its settings.
    """
    found = kind.described if kind is not None else None
    if found and all(settings.get(key, value) == value for key, value in found.where.items()):
        return found
    return None


def names_of(described: Described, column: str) -> tuple[str, ...]:
    """Return the names that a column may have: its own, and those that its word stands for."""
    return (column, *described.known.get(column, ()))


def tables_of(described: Described, settings: Mapping[str, Any], root: Path) -> list[Path]:
    """Return the tables of a data set that say more of its images than their labels."""
    found: list[Path] = named(described.tables)(root, settings)
    return found
