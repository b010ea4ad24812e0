"""Whether a run may write where it must, checked before it starts."""

from __future__ import annotations

import os
from pathlib import Path

from transfergrid.runtime.errors import listed

ROOMS = (
    *("cells", "cache", "weights", "features", "activations", "weighings"),
    *("tuning", "stamps", "origins"),
)
"""Folders under results that all studies share."""


def closed_folders(results: Path) -> list[str]:
    """Return the folders that a run writes into and this user, or this mount, may not write.

    Args:
        results: The folder of results; if it does not exist yet, its parent counts.
    """
    here = results.absolute()
    base = next(place for place in (here, *here.parents) if place.is_dir())
    wanted = [base, *(results / room for room in ROOMS), here.parent / ".snakemake"]
    return [
        str(path) for path in wanted if path.is_dir() and not os.access(path, os.W_OK | os.X_OK)
    ]


def rights_warning(results: Path) -> str | None:
    """Return a sentence on folders that cannot be written, or None."""
    closed = closed_folders(results)
    if not closed:
        return None
    return (
        f"{listed(closed)} cannot be written: choose another folder with --directory, or correct "
        "the permissions or the mount; nothing can be computed here."
    )
