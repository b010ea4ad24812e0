"""The studies of the how-to pages plan as they stand, on a small table of films."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from transfergrid.planning.paths import PROJECT
from transfergrid.planning.plan import plan_run

FOLDER = PROJECT / "docs" / "howto"
CELLS = {
    "folds": (30,),
    "own_data": (6, 6),
    "own_metric": (6,),
    "masks": (6,),
    "hospitals": (18, 6),
}
"""Cells of the studies of each page: two arms, three seeds, and perhaps folds."""


@pytest.fixture
def films(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table of 60 films of 30 patients in three hospitals, with masks, and the page's module."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(60):
        patient = number // 2
        for kind, grey in (("film", rng.integers(0, 255, (32, 32))), ("mask", np.eye(32) * 255)):
            Image.fromarray(grey.astype(np.uint8)).save(tmp_path / f"{kind}{number}.png")
        split = ("train", "train", "valid", "test")[patient // 2 % 4]
        hospital = "abc"[patient % 3]
        row = (f"film{number}.png", f"mask{number}.png", f"p{patient}", hospital, split)
        rows.append((*row, patient // 3 % 2))
    head = ["image", "mask", "patient", "hospital", "split", "effusion"]
    table = pd.DataFrame(rows, columns=head)
    table.to_csv(tmp_path / "films.csv", index=False)
    table[table["hospital"] != "c"].to_csv(tmp_path / "ours.csv", index=False)
    table[table["hospital"] == "c"].to_csv(tmp_path / "theirs.csv", index=False)
    table[["image", "effusion"]].rename(columns={"image": "file"}).to_csv(
        tmp_path / "labels.csv", index=False
    )
    names = {"volume": "v.nii", "slice": 0, "mask": "m.nii", "patient": "p", "row_mm": 1}
    pd.DataFrame([{**names, "column_mm": 1}]).to_csv(tmp_path / "slices.csv", index=False)
    monkeypatch.setenv("FILMS", str(tmp_path))
    monkeypatch.setenv("BRAIN", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def blocks(page: str, language: str) -> list[str]:
    text = (FOLDER / f"{page}.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_every_page_has_a_study_that_is_planned() -> None:
    assert set(CELLS) == {path.stem for path in FOLDER.glob("*.md")}


@pytest.mark.parametrize("page", CELLS)
def test_its_studies_plan(page: str, films: Path) -> None:
    for code in blocks(page, "python"):
        (films / "my_metrics.py").write_text(code)
    for text, cells in zip(blocks(page, "yaml"), CELLS[page], strict=True):
        path = films / "study.yaml"
        path.write_text(text)
        plan = plan_run([path], {})
        (study,) = plan.studies.values()
        assert len(study.targets) == cells
        assert not plan.warnings
        asks = "kind: external" in text
        assert {one.cell for one in study.external} == {cell.name for cell in study.targets if asks}


def test_contributions_of_the_metric_are_those_of_a_mean() -> None:
    space: dict[str, object] = {}
    (code,) = blocks("own_metric", "python")
    exec(code, space)
    rng = np.random.default_rng(0)
    scores, labels = rng.random((2, 40)), rng.integers(0, 2, 40).astype(float)
    labels[3] = np.nan
    values, contributions = space["absolute_error"](scores, labels, np.arange(40))  # type: ignore[operator]
    known = np.abs(scores - labels)[:, ~np.isnan(labels)]
    assert np.allclose(values, known.mean(axis=1))
    assert (contributions[:, 3] == 0).all()
    # Squared and summed they are the variance of a mean of independent cases.
    assert np.allclose((contributions**2).sum(axis=1), known.var(axis=1) / known.shape[1])
