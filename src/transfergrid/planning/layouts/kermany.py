"""Where Kermany's chest films are: a folder a part, and in it a folder a class."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transfergrid.planning.layouts.hashed import Digest, of_names
from transfergrid.runtime.errors import UserError

FOLDER = "chest_xray"
PARTS = ("train", "val", "test")
"""Folders; Kaggle's copy took 16 films out of train for val, which the first publication lacks."""
CLASSES = ("NORMAL", "PNEUMONIA")


def base(root: Path) -> Path:
    """Return the folder that holds train and test: `root`, or ``chest_xray`` in it."""
    for folder in (root, root / FOLDER):
        if (folder / "train").is_dir():
            return folder
    raise UserError(
        f"{root} has no folder train, nor does {FOLDER} in it; as the root, name the folder into "
        "which the chest films were unpacked."
    )


def films(folder: Path) -> list[str]:
    """Return the paths of what is in the folders of classes, sorted; hidden files are left out.

    Raises:
        UserError: A part other than val, or a class, has no folder.
    """
    found = []
    for part in PARTS:
        if part == "val" and not (folder / part).is_dir():
            continue
        for name in CLASSES:
            place = folder / part / name
            if not place.is_dir():
                raise UserError(
                    f"{folder} has no folder {part}/{name}; restore it from the download."
                )
            # Archives from a Mac hold ._ files beside the films.
            names = [entry for entry in os.listdir(place) if not entry.startswith(".")]
            found += [f"{part}/{name}/{entry}" for entry in sorted(names)]
    return found


def hashed(name: str, root: Path, settings: Mapping[str, Any], digest: Digest) -> dict[str, str]:
    """Hash the films' paths, which hold their labels, patients and parts."""
    return of_names(films(base(root)))
