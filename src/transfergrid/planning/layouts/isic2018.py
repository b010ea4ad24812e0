"""Where ISIC 2018, task 3, keeps its tables and images: each archive in a folder of its name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transfergrid.planning.layouts.hashed import Digest, existing, of_files
from transfergrid.runtime.errors import UserError

PARTS = {"train": "Training", "valid": "Validation", "test": "Test"}
_NAME = "ISIC2018_Task3_{}_{}"


def truth(root: Path, split: str) -> Path:
    """Return the table of diagnoses of a part of the challenge."""
    others = "" if split == "train" else ", or cut the training images with split: random"
    return _table(root, _NAME.format(PARTS[split], "GroundTruth"), f"add it{others}")


def lesions(root: Path) -> Path:
    """Return the table that says which training images show the same lesion."""
    name = _NAME.format("Training", "LesionGroupings")
    return _table(root, name, "add it, or let images of a lesion part with lesions: apart")


def images(root: Path, split: str) -> str:
    """Return the folder of a part's images, relative to the root."""
    name = _NAME.format(PARTS[split], "Input")
    if not (root / name).is_dir():
        raise UserError(f"{root} has no folder {name}; unpack the images of ISIC 2018 there.")
    return name


def parts(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the parts of the challenge that a data set is made of: of folds, training alone."""
    official = settings.get("split", "random") == "official" and not settings.get("folds")
    return tuple(PARTS) if official else ("train",)


def joined(settings: Mapping[str, Any]) -> bool:
    """Tell whether images of one lesion stay together; the official parts are as they are."""
    return len(parts(settings)) == 1 and settings.get("lesions", "together") == "together"


def hashed(name: str, root: Path, settings: Mapping[str, Any], digest: Digest) -> dict[str, str]:
    """Hash the tables of diagnoses, and that of lesions where it decides."""
    tables = [truth(root, split) for split in parts(settings)]
    return of_files(root, [*tables, *([lesions(root)] if joined(settings) else [])], digest)


def _table(root: Path, name: str, mend: str) -> Path:
    inside = root / name / f"{name}.csv"
    return inside if inside.is_file() else existing(root / f"{name}.csv", mend)
