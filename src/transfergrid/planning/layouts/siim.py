"""Where SIIM-ACR's films and its table of run lengths are, as the challenge released them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transfergrid.planning.layouts.hashed import Digest, existing, of_files
from transfergrid.planning.layouts.listed import list_files
from transfergrid.runtime.errors import UserError, listed

TABLES = ("train-rle.csv", "stage_2_train.csv")
"""The names of the table in the challenge's first stage and in its second."""
IMAGE, RUNS = "ImageId", "EncodedPixels"
"""Its columns; the first stage's has a blank before the second name."""
SUFFIXES = (".dcm", ".png")


def table(root: Path, settings: Mapping[str, Any]) -> Path:
    """Return the table of masks.

    Args:
        root: Folder that holds it.
        settings: ``table``, or None for the one of `TABLES` that is there.

    Raises:
        UserError: There is none, or both are there and none is named.
    """
    given = settings.get("table")
    if given:
        if not (root / given).resolve().is_relative_to(root.resolve()):
            raise UserError(f"table {given} is not in the data set's root {root}; put it there.")
        return existing(root / given, "put it there, or correct table")
    found = [root / name for name in TABLES if (root / name).is_file()]
    if not found:
        raise UserError(
            f"{root} has no table {listed(TABLES)}; as the root, name the folder with SIIM-ACR's "
            "table of masks, or name the table."
        )
    if len(found) > 1:
        raise UserError(
            f"{root} has the tables {listed([path.name for path in found])}; choose one as table."
        )
    return found[0]


def films(root: Path, folder: str | None) -> dict[str, str]:
    """Return the path of each film, relative to the root, by its id.

    The challenge has a folder for each study and series: ``dicom-images-train/<study>/<series>``.

    Args:
        root: Folder of the data set.
        folder: Folder in it that holds the films, in whatever folders.

    Raises:
        UserError: The folder is missing or holds no film, or an id stands for two.
    """
    place = root / folder if folder else root
    if not place.is_dir():
        raise UserError(
            f"{root} has no folder {folder}; put SIIM-ACR's films there, or correct image_folder."
        )
    found: dict[str, str] = {}
    for path, folders, names in os.walk(place):
        folders.sort()
        for name in sorted(names):
            stem, suffix = os.path.splitext(name)
            if name.startswith(".") or suffix.lower() not in SUFFIXES:
                continue
            here = Path(os.path.relpath(os.path.join(path, name), root)).as_posix()
            if found.setdefault(stem, here) != here:
                raise UserError(
                    f"{found[stem]} and {here} in {root} are both film {stem}; keep one of them, "
                    "or name its folder as image_folder."
                )
    if not found:
        raise UserError(f"{place} has no film ({listed(SUFFIXES)}); put SIIM-ACR's films there.")
    return found


def hashed(name: str, root: Path, settings: Mapping[str, Any], digest: Digest) -> dict[str, str]:
    """Hash the table of masks, and the lists where a study names them."""
    lists = list_files(root, settings.get("lists") or {}).values()
    return of_files(root, [table(root, settings), *lists], digest)
