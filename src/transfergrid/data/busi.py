"""BUSI as published: folders of breast ultrasound images, the lesions' masks beside them.

The names of folders and images (`benign/benign (1).png`) and their numbers (437 benign, 210
malignant, 133 normal) were read from a public copy of Dataset_BUSI_with_GT without its masks.
Unverified, from public loaders: the names of masks (`benign (1)_mask.png`, and for a further lesion
`benign (1)_mask_1.png`). About 600 women, whose ids were not published.
Source: Al-Dhabyani et al., Data in Brief 28:104863, 2020.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transfergrid.data.drawn import drawn_split
from transfergrid.data.images import ImageFiles
from transfergrid.data.manifest import IDS, Manifest, choice, chosen_tasks
from transfergrid.runtime.errors import UserError, listed

FOLDER = "Dataset_BUSI_with_GT"
CLASSES = ("benign", "malignant", "normal")

_NAME = re.compile(r"(benign|malignant|normal) \((\d+)\)(_mask(?:_\d+)?)?\.png")
_NOTES = {
    "benign": "Images without a lesion (normal) count as benign.",
    "leave_out": "Images without a lesion (normal) are left out.",
    "class": "",
}


def read(options: Mapping[str, Any], root: Path) -> Manifest:
    """Find BUSI's images; none is opened, and no mask is listed.

    Args:
        options: The declaration; ``normals`` says what an image without a lesion is.
        root: Dataset_BUSI_with_GT, or the folder that holds it.

    Raises:
        UserError: A missing folder, a PNG under another name than the published ones or in another
            class's folder, a mask without its image.
    """
    base = root / FOLDER if (root / FOLDER).is_dir() else root
    normals = choice(options, "normals", tuple(_NOTES))
    kept = CLASSES[:2] if normals == "leave_out" else CLASSES
    names = {name: _images(base, name) for name in CLASSES}
    classes = np.array([name for name in kept for _ in names[name]])
    files = [file for name in kept for file in names[name]]
    tasks = CLASSES if normals == "class" else ("malignant",)
    labels = np.stack([classes == task for task in tasks], axis=1).astype(np.float32)
    ids = np.array(files)
    columns = [ids, ids, ids, "", drawn_split(ids, options, _by_class(classes))]
    return Manifest(
        table=pd.DataFrame(
            {
                **dict(zip(IDS, columns, strict=True)),
                **{task: labels[:, place] for place, task in enumerate(tasks)},
            }
        ),
        tasks=tasks,
        score_tasks=chosen_tasks(options.get("score_tasks"), tasks, "score_tasks"),
        task_kind="multiclass" if normals == "class" else "multilabel",
        images=ImageFiles.declared(base, files, options),
        patients_known=False,
        studies_known=False,
        notes=(_NOTES[normals],) if _NOTES[normals] else (),
        drawn=True,
    )


def _by_class(classes: np.ndarray) -> np.ndarray:
    """Return all three classes as labels, (N, 3), so that a split is balanced in normals too."""
    return np.stack([classes == name for name in CLASSES], axis=1).astype(np.float32)


def _images(base: Path, name: str) -> list[str]:
    """Return a class's images as paths in `base`, in the order of their numbers."""
    folder = base / name
    if not folder.is_dir():
        raise UserError(
            f"{base} has no folder {name}; point root at {FOLDER}, which holds the folders "
            f"{listed(CLASSES)}."
        )
    images: set[int] = set()
    masked: set[int] = set()
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() != ".png" or path.name.startswith("."):
            continue
        found = _NAME.fullmatch(path.name)
        if found is None or found[1] != name:
            raise UserError(
                f"{folder} holds {path.name}, but an image there is named '{name} (1).png' and its "
                f"mask '{name} (1)_mask.png'; rename or remove it."
            )
        (masked if found[3] else images).add(int(found[2]))
    lost = sorted(masked - images)
    if lost or not images:
        what = f"a mask, but no image '{name} ({lost[0]}).png'" if lost else "no image"
        raise UserError(f"{folder} holds {what}; restore it from the download.")
    return [f"{name}/{name} ({number}).png" for number in sorted(images)]
