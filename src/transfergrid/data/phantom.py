"""Data sets drawn as needed, so that everything runs anywhere: chest films and textures.

They prove the machinery and never a medical claim. ``chest`` is a set of chest films with
CheXpert's layout, tables and label errors, read back by CheXpert's own reader; ``shapes`` is an
out-of-domain source to pretrain on.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transfergrid.data import chexpert
from transfergrid.data.manifest import IDS, Manifest, choice
from transfergrid.data.phantom_layout import write_chexpert
from transfergrid.data.phantom_shapes import CLASSES, DrawnShapes, shape_class, shape_name
from transfergrid.data.store import SPLITS
from transfergrid.runtime.errors import UserError

SETS = ("chest", "shapes")
PATIENTS = {"train": 1000, "valid": 150, "test": 300}
"""Patients (for shapes: images) in each split, unless the declaration says otherwise."""

NOTE = "The images are drawn: results on them show that the machinery works and nothing else."

_COUNT_KEYS = {"train": "patients", "valid": "valid_patients", "test": "test_patients"}
_LEAST_NATIVE_PX = 128
_FOR_CHEXPERT = (
    "tasks",
    "score_tasks",
    "uncertain",
    "smooth_range",
    "blank",
    "views",
    "seed",
    "image_px",
    "resize",
    "folds",
)


def read(options: Mapping[str, Any], root: Path) -> Manifest:
    """Draw a phantom data set.

    Args:
        options: The declaration: ``set``, ``patients``, ``valid_patients``, ``test_patients``,
            ``seed``, ``image_px``; for chest films also the label options of CheXpert's reader.
        root: An empty folder; chest films are written into it, shapes are drawn when read.

    Returns:
        Chest films: a manifest of patients, studies and views. Shapes: one image per patient, eight
        classes.

    Raises:
        UserError: An option out of range.
    """
    which = choice(options, "set", SETS)
    seed = _count(options, "seed", 0, least=0)
    patients = {split: _count(options, key, PATIENTS[split]) for split, key in _COUNT_KEYS.items()}
    px = _count(options, "image_px", 64)
    if which == "shapes":
        return shapes(patients, seed, px)
    # Films above the least size are drawn at that size, because enlarging them would add nothing.
    base = write_chexpert(root, patients, seed, max(_LEAST_NATIVE_PX, px))
    manifest = chexpert.read({key: options[key] for key in _FOR_CHEXPERT if key in options}, base)
    return Manifest(**(vars(manifest) | {"notes": (NOTE, *manifest.notes)}))


def shapes(images: Mapping[str, int], seed: int, px: int) -> Manifest:
    """Return the textures' manifest: balanced classes, each image its own patient."""
    keys = tuple((seed, split, number) for split in SPLITS for number in range(images[split]))
    names = [shape_name(split, number) for _, split, number in keys]
    table = pd.DataFrame({column: names for column in IDS})
    table["view"] = ""
    table["split"] = [split for _, split, _ in keys]
    one_hot = np.eye(len(CLASSES), dtype=np.float32)[[shape_class(n) for _, _, n in keys]]
    for position, task in enumerate(CLASSES):
        table[task] = one_hot[:, position]
    return Manifest(
        table=table,
        tasks=CLASSES,
        score_tasks=CLASSES,
        task_kind="multiclass",
        images=DrawnShapes(px, keys),
        patients_known=False,
        studies_known=False,
        notes=(NOTE,),
    )


def _count(options: Mapping[str, Any], key: str, default: int, least: int = 1) -> int:
    value = options.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise UserError(f"{key} is '{value}'; give a whole number, at least {least}.")
    return value
