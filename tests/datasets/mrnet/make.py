"""Write a fake MRNet with the published layout: tables without headers, a volume per plane."""

from __future__ import annotations

from pathlib import Path

import numpy as np

FOLDER = "MRNet-v1.0"
PLANES = ("sagittal", "coronal", "axial")
EXAMS = {"train": range(0, 45), "valid": range(1130, 1139)}
"""Numbers of the examinations, as published: those of valid follow those of train."""


def findings(exam: int) -> tuple[int, int, int]:
    """Return whether an examination is abnormal, and has an ACL and a meniscal tear.

    Of every nine: three have an ACL tear, one of these a meniscal tear as well, two a meniscal tear
    alone, one another abnormality, three nothing.
    """
    kind = exam % 9
    acl, meniscus = kind in (0, 3, 6), kind in (0, 1, 4)
    return int(acl or meniscus or kind == 7), int(acl), int(meniscus)


def make(root: Path, rng: np.random.Generator, px: int = 24) -> None:
    """Write `root`/MRNet-v1.0; slice k of a volume has the mean level 8 k, give or take 3."""
    base = root / FOLDER
    for part, exams in EXAMS.items():
        for place, name in enumerate(("abnormal", "acl", "meniscus")):
            base.mkdir(parents=True, exist_ok=True)
            lines = [f"{exam:04d},{findings(exam)[place]}\n" for exam in exams]
            (base / f"{part}-{name}.csv").write_text("".join(lines))
        for plane in PLANES:
            (base / part / plane).mkdir(parents=True)
            for exam in exams:
                slices = int(rng.integers(3, 9))
                noise = rng.integers(-3, 4, (slices, px, px))
                volume = 8 * np.arange(1, slices + 1)[:, None, None] + noise
                np.save(base / part / plane / f"{exam:04d}.npy", volume.astype(np.uint8))
