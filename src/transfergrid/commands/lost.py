"""Films and masks that are not where a data set says, and what would bring films back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transfergrid.catalog.kinds import dataset_kind
from transfergrid.commands.films import folders_below, home_of
from transfergrid.runtime.errors import listed


def lost_films(
    declaration: Mapping[str, Any], root: Path, lost: Sequence[tuple[str, str]], count: int
) -> tuple[str, str]:
    """Say which films are missing, and what to do about it.

    Args:
        declaration: The data set's settings.
        root: Where it is.
        lost: Name and fault, a sentence, of each film that is missing.
        count: How many films the data set has.

    Returns:
        A sentence, and advice that is no sentence.
    """
    names = listed([name for name, _ in lost], 3)
    told = f"{len(lost)} of {count} images are missing: {names}; {lost[0][1]}"
    kind = dataset_kind(declaration["kind"])
    if len(lost) < count:
        tabled = kind is not None and kind.columns
        return told, "put them there, or take their rows out of the table" if tabled else ""
    leads = kind.leads if kind is not None else "root"
    if "image_folders" in leads and not declaration.get("image_folders"):
        home = home_of(root, folders_below(root), lost[0][0])
        if home:
            return told, f"the first is in the folder {home}: write image_folders: [{home}]"
    return told, f"none was found: check that {leads} lead to the images"


def lost_masks(lost: Sequence[tuple[str, str]]) -> str:
    """Say in a sentence which masks are missing, of their name and fault, a sentence, each."""
    names = listed([name for name, _ in lost], 3)
    told = "1 mask is missing" if len(lost) == 1 else f"{len(lost)} masks are missing"
    return f"{told}: {names}; {lost[0][1]}"
