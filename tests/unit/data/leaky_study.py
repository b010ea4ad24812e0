"""A study whose target shares images with the data set that half of its networks learn before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from PIL import Image
from unit.data.films import film

from transfergrid.data.admission import write_origin
from transfergrid.data.cache import build_cache
from transfergrid.planning.paths import cache_directory, origin_file
from transfergrid.planning.plan import plan_run
from transfergrid.planning.planned import PlannedStudy

CSV: dict[str, Any] = {
    "kind": "csv",
    "table": "films.csv",
    "image_column": "path",
    "label_columns": ["finding"],
    "split": {"column": "part", "train": ["a"], "valid": ["b"], "test": ["c"]},
    "image_px": 32,
    "resize": "stretch",
}
STUDY: dict[str, Any] = {
    "name": "leaky",
    "datasets": {
        "target": {**CSV, "root": "target"},
        "source": {**CSV, "root": "source", "image_px": 40},
    },
    "pretrainings": {
        "random": {"kind": "random"},
        "source": {"kind": "cell", "dataset": "source", "protocol": "short"},
    },
    "protocols": {"short": {"epochs": 1}},
    "grid": [
        {
            "datasets": ["target"],
            "architectures": ["lcnet_050"],
            "pretrainings": ["random", "source"],
            "protocols": ["short"],
            "seeds": [0],
        }
    ],
}
PART = "aaabbcc"


def write_films(folder: Path, numbers: list[int], changed: dict[int, int] | None = None) -> None:
    """Write a film for each number; those in `changed` are that other film, a little brighter."""
    folder.mkdir()
    rows = []
    for place, number in enumerate(numbers):
        image = film((changed or {}).get(number, number), 48)
        image = image // 2 + 50 if number in (changed or {}) else image
        Image.fromarray(image).save(folder / f"{number:03d}.png")
        part = PART[place % len(PART)]
        rows.append({"path": f"{number:03d}.png", "finding": place % 2, "part": part})
    pd.DataFrame(rows).to_csv(folder / "films.csv", index=False)


def leaky(folder: Path) -> PlannedStudy:
    """Write data and study into the working folder, and return the study's plan.

    In the target, image 55 (test) is film 0 (train), and image 60 (valid) is film 5 (test). The
    source has its films 20 and 26 (test), and film 1 (train) as image 201, a little changed.
    """
    write_films(folder / "target", [*range(49), *range(56, 60), 60, 55], {55: 0, 60: 5})
    write_films(folder / "source", [20, 26, 201, *range(300, 330)], {201: 1})
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY))
    (study,) = plan_run([], {"studies": [str(folder / "study.yaml")]}).studies.values()
    return study


def prepare(study: PlannedStudy, results: Path) -> None:
    """Make the caches of a study's data sets, and the records of their images."""
    for data in study.datasets.values():
        origin = origin_file(data.id, results)
        build_cache(
            dict(data.declaration),
            data.root,
            cache_directory(data.id, results),
            2,
            lambda made, origin=origin: write_origin(made, origin),  # type: ignore[misc]
        )
