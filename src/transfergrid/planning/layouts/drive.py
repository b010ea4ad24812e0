"""Where DRIVE keeps its photographs, its vessels and its fields of view."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transfergrid.planning.layouts.hashed import Digest, of_names
from transfergrid.planning.layouts.named import folder_of
from transfergrid.runtime.errors import UserError

FOLDER = "DRIVE"
PARTS = ("training", "test")
FIRST, SECOND = "1st_manual", "2nd_manual"
"""The folders of the two observers' vessels; the second saw the test photographs alone."""

_NAME = re.compile(r"(\d{2})_(training|test)\.tif")


def base(root: Path) -> Path:
    """Return the folder that holds ``training``: `root`, or ``DRIVE`` in it."""
    return folder_of(root, (FOLDER,), f"{PARTS[0]}/images", "DRIVE")


def drawn(folder: Path, part: str, observer: str = FIRST) -> bool:
    """Tell whether an observer's vessels of a part are there."""
    return (folder / part / observer).is_dir()


def photographs(folder: Path, official: bool) -> list[str]:
    """Return the paths of the photographs whose vessels are known, sorted by part and number.

    Args:
        folder: What `base` returned.
        official: Whether those of both parts are needed.

    Raises:
        UserError: A part has no photograph, one is named otherwise, or vessels are not there.
    """
    found = []
    for part in PARTS:
        if not drawn(folder, part):
            if part == PARTS[0] or official:
                raise UserError(
                    f"{folder} has no folder {part}/{FIRST}; restore it"
                    + ("." if part == PARTS[0] else ", or cut the others with split: random.")
                )
            continue
        images = folder / part / "images"
        names = sorted(os.listdir(images)) if images.is_dir() else []
        names = [n for n in names if not n.startswith(".") and n.lower().endswith(".tif")]
        wrong = [n for n in names if not (m := _NAME.fullmatch(n)) or m[2] != part]
        if wrong:
            raise UserError(
                f"{images / wrong[0]} is not named as photographs of DRIVE's {part} part are, such "
                f"as 21_{part}.tif; rename or remove it."
            )
        if not names:
            raise UserError(f"{images} has no photograph; restore it from the download.")
        found += [f"{part}/images/{name}" for name in names]
    return found


def beside(photograph: str) -> dict[str, str]:
    """Return the paths of what belongs to a photograph, by folder."""
    part, _, name = photograph.split("/")
    number = name.partition("_")[0]
    return {
        FIRST: f"{part}/{FIRST}/{number}_manual1.gif",
        SECOND: f"{part}/{SECOND}/{number}_manual2.gif",
        "mask": f"{part}/mask/{number}_{part}_mask.gif",
    }


def is_official(settings: Mapping[str, Any]) -> bool:
    """Tell whether a data set is divided as it was published."""
    return settings.get("split", "official") == "official" and not settings.get("folds")


def hashed(name: str, root: Path, settings: Mapping[str, Any], digest: Digest) -> dict[str, str]:
    """Hash the names of the photographs, which decide what is drawn."""
    return of_names(photographs(base(root), is_official(settings)))
