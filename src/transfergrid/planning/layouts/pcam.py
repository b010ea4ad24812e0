"""Where PatchCamelyon is: in the published HDF5 files, or in PNG files that a study made."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transfergrid.planning.layouts.hashed import Digest, existing, of_files, of_names
from transfergrid.runtime.errors import UserError

SPLITS = ("train", "valid", "test")
FOLDER = "png_images"
PATCH = re.compile(r"(\d+)_label=([01])\.png")
"""The name of a patch as a PNG file: its place in its part, and its label."""

_NAME = "camelyonpatch_level_2_split_{}_{}"


def published(root: Path) -> bool:
    """Tell whether a folder holds the published files, packed or not."""
    return any(root.glob(_NAME.format("*", "x.h5") + "*"))


def arrays(root: Path, split: str, what: str) -> Path:
    """Return the file of a part's images (x) or labels (y)."""
    name = _NAME.format(split, f"{what}.h5")
    packed = (root / f"{name}.gz").is_file()
    return existing(root / name, f"unpack {name}.gz" if packed else "download it")


def slides(root: Path, split: str) -> Path | None:
    """Return the table that says which slide each patch is of, or None."""
    path = root / _NAME.format(split, "meta.csv")
    return path if path.is_file() else None


def patches(root: Path) -> tuple[Path, list[str]]:
    """Return the folder of PNG files, `root` or ``png_images`` in it, and their names, sorted.

    Raises:
        UserError: There are neither HDF5 nor PNG files, or a file that is named otherwise.
    """
    folder = root / FOLDER if (root / FOLDER).is_dir() else root
    names = os.listdir(folder) if folder.is_dir() else []
    names = sorted(name for name in names if not name.startswith("."))
    wrong = [name for name in names if not PATCH.fullmatch(name)]
    if len(wrong) == len(names):
        raise UserError(
            f"{root} holds neither {_NAME.format('train', 'x.h5')} nor patches such as "
            "157778_label=0.png; as the root, name the folder of one or the other."
        )
    if wrong:
        raise UserError(
            f"{folder / wrong[0]} is not named as a patch, such as 157778_label=0.png; rename or "
            "remove it."
        )
    return folder, names


def hashed(name: str, root: Path, settings: Mapping[str, Any], digest: Digest) -> dict[str, str]:
    """Hash the published labels and slides, or the names of the PNG files, which hold labels."""
    if not published(root):
        return of_names(patches(root)[1])
    tables = [arrays(root, split, "y") for split in SPLITS]
    tables += [path for split in SPLITS if (path := slides(root, split))]
    return of_files(root, tables, digest)
