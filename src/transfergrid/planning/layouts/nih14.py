"""Where ChestX-ray14 keeps its tables, its lists and its films."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transfergrid.planning.layouts.hashed import Digest, existing, of_files
from transfergrid.planning.layouts.listed import list_files
from transfergrid.runtime.errors import UserError, listed

ENTRIES = "Data_Entry_2017*.csv"
LISTS = {"train": "train_val_list.txt", "test": "test_list.txt"}


def entries(root: Path) -> Path:
    """Return the one table of films; UserError if there are several or none."""
    found = sorted(root.glob(ENTRIES))
    if len(found) > 1:
        raise UserError(
            f"{root} has the tables {listed([path.name for path in found])}; keep one of them."
        )
    if not found:
        raise UserError(
            f"{root} has no table {ENTRIES}; as the root, name the folder with ChestX-ray14's "
            "tables."
        )
    return found[0]


def lists(root: Path) -> dict[str, Path]:
    """Return the official lists of films by split; UserError if one is missing."""
    mend = "add the official lists, or cut by patient with split: random"
    return {split: existing(root / name, mend) for split, name in LISTS.items()}


def film_folders(root: Path) -> list[str]:
    """Return the folders of films: ``images``, and ``images_001/images`` to 012 if not merged."""
    apart = sorted(path for path in root.glob("images_*/images") if path.is_dir())
    merged = [root / "images"] if (root / "images").is_dir() else []
    found = [path.relative_to(root).as_posix() for path in (*merged, *apart)]
    if not found:
        raise UserError(
            f"{root} has neither images nor images_001/images; unpack the films of ChestX-ray14 "
            "there."
        )
    return found


def hashed(name: str, root: Path, settings: Mapping[str, Any], digest: Digest) -> dict[str, str]:
    """Hash the table of films, and the lists where they decide: the study's, or the official."""
    deciding: Mapping[str, Path] = {}
    if settings.get("lists"):
        deciding = list_files(root, settings["lists"])
    elif settings["split"] == "official" and not settings.get("folds"):
        deciding = lists(root)
    return of_files(root, [entries(root), *deciding.values()], digest)
