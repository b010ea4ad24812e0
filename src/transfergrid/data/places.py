"""Find the files of images that are named in one table and spread over several folders."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path, PurePosixPath

from transfergrid.runtime.errors import UserError, listed

_MEND = "put them there or add their folder to image_folders"


def place(root: Path, folders: Sequence[str], names: Sequence[str], mend: str = _MEND) -> list[str]:
    """Return the paths of images, relative to `root`.

    Args:
        root: Folder that holds the others.
        folders: Where the images are, relative to `root`; none means `root` itself. A single folder
            is taken at its word; several are listed, and no file is opened.
        names: The images' paths, relative to their folder.
        mend: What to do about images that are in none of several folders.

    Raises:
        UserError: A folder is missing, or an image is in none of several folders or in two.
    """
    missing = [folder for folder in folders if not (root / folder).is_dir()]
    if missing:
        raise UserError(
            f"image_folders names {listed(missing, 3)}, but {root} has no such folder; correct it."
        )
    if len(folders) < 2:
        return [f"{folder}/{name}" for name in names for folder in folders] or list(names)

    @cache
    def entries(folder: Path) -> frozenset[str]:
        return frozenset(os.listdir(folder)) if folder.is_dir() else frozenset()

    placed: list[str] = []
    lost: list[str] = []
    for name in names:
        parent, file = PurePosixPath(name).parent, PurePosixPath(name).name
        found = [folder for folder in folders if file in entries(root / folder / parent)]
        if len(found) > 1:
            raise UserError(f"image {name} is in {listed(found)} of {root}; keep one of them.")
        placed.extend(f"{folder}/{name}" for folder in found)
        if not found:
            lost.append(name)
    if lost:
        raise UserError(
            f"{len(lost)} image(s) are in none of {listed(folders)} of {root}: {listed(lost, 3)}; "
            f"{mend}."
        )
    return placed
