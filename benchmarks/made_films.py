"""Files of the size and detail of real films, and a data set of any length."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageFilter

from transfergrid.data.manifest import Manifest

SMALL, MIDDLE, FULL = (390, 320), (1024, 1024), (2828, 2320)
"""Width and height of usual films of CheXpert-v1.0-small, ChestX-ray14 and CheXpert-v1.0."""
CLASSES = ("dark", "light")
VARIANTS = 50
"""Different films; others are copies, so that drawing takes seconds."""


def write_films(
    folder: Path, counts: Mapping[str, int], size: tuple[int, int] = SMALL, form: str = "JPEG"
) -> None:
    """Write <split>/<class>/<n>.jpg (or .png), as ImageFolder wants them, and films.csv."""
    several = min(VARIANTS, max(counts.values())) if size == SMALL else 2
    variants = [film(number, size, form) for number in range(several)]
    suffix = {"JPEG": "jpg", "PNG": "png"}[form]
    lines = ["path,finding,split"]
    for split, count in counts.items():
        for number in range(count):
            kind = number % len(CLASSES)
            path = Path(split) / CLASSES[kind] / f"{number:06d}.{suffix}"
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(variants[number % len(variants)])
            lines.append(f"{path},{kind},{split}")
    (folder / "films.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def film(number: int, size: tuple[int, int], form: str = "JPEG") -> bytes:
    """Draw smooth shapes under grain.

    About 25 kB for a small film, and 450 kB for a PNG of the middle size, somewhat more than films
    of ChestX-ray14 have.
    """
    rng = np.random.default_rng(number)
    coarse = Image.fromarray(rng.integers(20, 200, (10, 12), dtype=np.uint8))
    smooth = np.asarray(coarse.resize(size, Image.Resampling.BICUBIC), dtype=np.float64)
    light = 20.0 * (number % len(CLASSES))
    grain = rng.normal(light, 8 if form == "JPEG" else 4, smooth.shape)
    image = Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8))
    buffer = io.BytesIO()
    image.filter(ImageFilter.GaussianBlur(0.7)).save(buffer, form, quality=90)
    return buffer.getvalue()


def declaration(folder: Path, px: int) -> dict[str, Any]:
    """Return the films as a data set of a study."""
    labels = {"kind": "csv", "image_column": "path", "label_columns": ["finding"]}
    return labels | tabled(folder, px)


def tabled(folder: Path, px: int) -> dict[str, Any]:
    """Return what data sets of a table films.csv have in common."""
    return {
        "root": str(folder),
        "table": "films.csv",
        "split": {"column": "split", "train": ["train"], "valid": ["valid"], "test": ["test"]},
        "image_px": px,
        "resize": "crop",
        "channels": "grey",
        "duplicates": "allow",  # the films are copies of a few
    }


@dataclass(frozen=True)
class Repeated:
    """One image under many names, as a manifest has them."""

    pixels: np.ndarray
    count: int

    def __len__(self) -> int:
        return self.count

    def read(self, index: int) -> np.ndarray:
        return self.pixels

    def name(self, index: int) -> str:
        return f"film {index}"


def repeated(options: dict[str, Any], root: Path | None) -> Manifest:
    """Return a data set of `count` images with fourteen labels, in the layout of CheXpert."""
    count, px = int(options["count"]), int(options["image_px"])
    tasks = tuple(f"finding_{number}" for number in range(14))
    number = np.arange(count)
    split = np.where(number % 100 == 0, "valid", np.where(number % 100 == 1, "test", "train"))
    names = [f"{s}/patient{n:06d}/study1/view1_frontal.jpg" for n, s in enumerate(split)]
    ids = pd.DataFrame(
        {
            "image_id": names,
            "study_id": [name.rpartition("/")[0] for name in names],
            "patient_id": [f"patient{n:06d}" for n in number],
            "view": "frontal",
            "split": split,
        }
    )
    labels = np.random.default_rng(0).random((count, len(tasks))) < 0.3
    table = pd.concat([ids, pd.DataFrame(labels.astype(np.float32), columns=list(tasks))], axis=1)
    source = Repeated(np.zeros((px, px), dtype=np.uint8), count)
    return Manifest(table, tasks, tasks[:1], "multilabel", source, True, True)
