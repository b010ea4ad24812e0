"""Where the NIH's Montgomery set keeps its films and its masks, all of one name a film."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transfergrid.planning.layouts.hashed import Digest
from transfergrid.planning.layouts.named import of_named
from transfergrid.runtime.errors import UserError

FOLDERS = ("MontgomerySet", "NLM-MontgomeryCXRSet/MontgomerySet")
FILMS = "CXR_png"
SIDES = {"left": "ManualMask/leftMask", "right": "ManualMask/rightMask"}
"""The folder of each lung's masks."""

_NAME = re.compile(r"MCUCXR_(\d{4})_([01])\.png")


def base(root: Path) -> Path:
    """Return the folder that holds ``CXR_png``: `root`, or one of `FOLDERS` in it."""
    for folder in (root, *(root / name for name in FOLDERS)):
        if (folder / FILMS).is_dir():
            return folder
    raise UserError(
        f"{root} has no folder {FILMS}, nor does {FOLDERS[0]} in it; as the root, name the folder "
        "into which the Montgomery set was unpacked."
    )


def films(folder: Path) -> dict[str, tuple[str, bool]]:
    """Return the films by name, sorted: their number, and whether they show tuberculosis.

    Raises:
        UserError: There is none, a PNG is named otherwise, or a number stands for two films.
    """
    found: dict[str, tuple[str, bool]] = {}
    film_of: dict[str, str] = {}
    for name in pngs(folder / FILMS):
        parts = _NAME.fullmatch(name)
        if parts is None:
            raise UserError(
                f"{folder / FILMS / name} is not named as films of the Montgomery set are, such as "
                "MCUCXR_0001_0.png; rename or remove it."
            )
        number, label = parts.groups()
        if film_of.setdefault(number, name) != name:
            raise UserError(
                f"{folder / FILMS} has {film_of[number]} and {name}, which are one film with two "
                "labels; remove the wrong one."
            )
        found[name] = (number, label == "1")
    if not found:
        raise UserError(f"{folder / FILMS} has no film; restore it from the download.")
    return found


def pngs(folder: Path) -> list[str]:
    """Return the names of a folder's PNGs, sorted; hidden files, and others, are left out."""
    names = sorted(os.listdir(folder)) if folder.is_dir() else []
    return [n for n in names if not n.startswith(".") and n.lower().endswith(".png")]


def hashed(name: str, root: Path, settings: Mapping[str, Any], digest: Digest) -> dict[str, str]:
    """Hash the films' names, which decide a drawn split, and the lists where a study names them."""
    return of_named(films(base(root)), root, settings, digest)
