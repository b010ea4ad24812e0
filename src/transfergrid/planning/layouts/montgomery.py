"""Where the NIH's Montgomery set keeps its films and its masks, all of one name a film."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transfergrid.planning.layouts.hashed import Digest
from transfergrid.planning.layouts.named import folder_of, labelled_films, of_named

FOLDERS = ("MontgomerySet", "NLM-MontgomeryCXRSet/MontgomerySet")
FILMS = "CXR_png"
SIDES = {"left": "ManualMask/leftMask", "right": "ManualMask/rightMask"}
"""The folder of each lung's masks."""

_NAME = re.compile(r"MCUCXR_(\d{4})_([01])\.png")


def base(root: Path) -> Path:
    """Return the folder that holds ``CXR_png``: `root`, or one of `FOLDERS` in it."""
    return folder_of(root, FOLDERS, FILMS, "the Montgomery set")


def films(folder: Path) -> dict[str, tuple[str, bool]]:
    """Return the films by name, sorted: their number, and whether they show tuberculosis.

    Raises:
        UserError: There is none, a PNG is named otherwise, or a number stands for two films.
    """
    return labelled_films(folder / FILMS, _NAME, "the Montgomery set", "MCUCXR_0001_0.png")


def hashed(name: str, root: Path, settings: Mapping[str, Any], digest: Digest) -> dict[str, str]:
    """Hash the films' names, which decide a drawn split, and the lists where a study names them."""
    return of_named(films(base(root)), root, settings, digest)
