"""Data sets that nobody has described, and the study that `transfergrid init` writes of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from datasets.made_dicom import dicom
from PIL import Image

from transfergrid.commands.main import main


def study_of(folder: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((folder / "study.yaml").read_text())
    return dict(found["datasets"][name])


def text_of(folder: Path) -> str:
    """Return the text of a study whose comments are not broken into lines."""
    return (folder / "study.yaml").read_text().replace("\n    # ", " ")


def assert_refused(
    data: str, sentence: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Init says one sentence of data in the working folder, and writes nothing."""
    assert main(["init", data]) == 1, data
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.splitlines()) == 1 and re.search(sentence, told.err), told.err
    assert not list(here.glob("*_study"))


def film(number: int, side: int = 40) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (side, side), dtype=np.uint8)


def hospital(here: Path, **more: Any) -> Path:
    """A table of DICOM films in a folder below it, which does not say whose they are."""
    folder = here / "hospital" / "images"
    folder.mkdir(parents=True)
    for number in range(120):
        header = {"PatientID": f"P{number // 2}", "ViewPosition": ("AP", "PA")[number % 2]}
        (folder / f"f{number}.dcm").write_bytes(dicom(film(number), **header))
    table = pd.DataFrame({"file": [f"f{n}.dcm" for n in range(120)]})
    table["effusion"] = [int(n % 6 < 2) for n in range(120)]
    table["rare"] = [int(n == 3) for n in range(120)]
    table["age"] = [20 + n % 50 for n in range(120)]
    table.assign(**more).to_csv(here / "hospital" / "labels.csv", index=False)
    return here / "hospital"


def save(path: Path, pixels: np.ndarray) -> None:
    """Write an image file of pixels, and the folders that it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def table_of(here: Path, rows: int, **columns: Any) -> Path:
    """A table of PNG films beside it, with a column of labels and others."""
    for number in range(rows):
        save(here / "clinic" / f"f{number}.png", film(number, 16))
    table = pd.DataFrame({"film": [f"f{n}.png" for n in range(rows)]})
    table["nodule"] = [int(n % 4 == 0) for n in range(rows)]
    table.assign(**columns).to_csv(here / "clinic" / "films.csv", index=False)
    return here / "clinic"
