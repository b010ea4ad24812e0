"""Where the NIH's Shenzhen set keeps its films; a name says which film it is, and its label."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transfergrid.planning.layouts.hashed import Digest
from transfergrid.planning.layouts.named import folder_of, labelled_films, of_named

FOLDER = "ChinaSet_AllFiles"
FILMS = "CXR_png"
_NAME = re.compile(r"CHNCXR_(\d{4})_([01])\.png")


def base(root: Path) -> Path:
    """Return the folder that holds ``CXR_png``: `root`, or ``ChinaSet_AllFiles`` in it."""
    return folder_of(root, (FOLDER,), FILMS, "the Shenzhen set")


def films(folder: Path) -> dict[str, tuple[str, bool]]:
    """Return the films by name, sorted: their number, and whether they show tuberculosis.

    Files other than PNGs, and hidden ones, are left out: the archive has a ``Thumbs.db``.

    Raises:
        UserError: There is none, a PNG is named otherwise, or a number stands for two films.
    """
    return labelled_films(folder / FILMS, _NAME, "the Shenzhen set", "CHNCXR_0001_0.png")


def hashed(name: str, root: Path, settings: Mapping[str, Any], digest: Digest) -> dict[str, str]:
    """Hash the films' names, which hold their labels, and the lists where a study names them."""
    return of_named(films(base(root)), root, settings, digest)
