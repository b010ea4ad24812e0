"""Where the NIH's Shenzhen set keeps its films; a name says which film it is, and its label."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transfergrid.planning.layouts.hashed import Digest
from transfergrid.planning.layouts.named import of_named
from transfergrid.runtime.errors import UserError

FOLDER = "ChinaSet_AllFiles"
FILMS = "CXR_png"
_NAME = re.compile(r"CHNCXR_(\d{4})_([01])\.png")


def base(root: Path) -> Path:
    """Return the folder that holds ``CXR_png``: `root`, or ``ChinaSet_AllFiles`` in it."""
    for folder in (root, root / FOLDER):
        if (folder / FILMS).is_dir():
            return folder
    raise UserError(
        f"{root} has no folder {FILMS}, nor does {FOLDER} in it; as the root, name the folder into "
        "which the Shenzhen set was unpacked."
    )


def films(folder: Path) -> dict[str, tuple[str, bool]]:
    """Return the films by name, sorted: their number, and whether they show tuberculosis.

    Files other than PNGs, and hidden ones, are left out: the archive has a ``Thumbs.db``.

    Raises:
        UserError: There is none, a PNG is named otherwise, or a number stands for two films.
    """
    found: dict[str, tuple[str, bool]] = {}
    film_of: dict[str, str] = {}
    for name in sorted(os.listdir(folder / FILMS)):
        if name.startswith(".") or not name.lower().endswith(".png"):
            continue
        parts = _NAME.fullmatch(name)
        if parts is None:
            raise UserError(
                f"{folder / FILMS / name} is not named as films of the Shenzhen set are, such as "
                "CHNCXR_0001_0.png; rename or remove it."
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


def hashed(name: str, root: Path, settings: Mapping[str, Any], digest: Digest) -> dict[str, str]:
    """Hash the films' names, which hold their labels, and the lists where a study names them."""
    return of_named(films(base(root)), root, settings, digest)
