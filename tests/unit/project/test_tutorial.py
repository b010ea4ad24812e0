"""The programs of the tutorial do what it says, and `init` guesses what it shows."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from transfergrid.commands.main import main
from transfergrid.planning.paths import PROJECT

PAGE = (PROJECT / "docs" / "tutorial.md").read_text(encoding="utf-8")
EXPORT, APART = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def films(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tutorial's folder, made of a small file in which a training film is also tested on."""
    rng = np.random.default_rng(0)
    arrays: dict[str, np.ndarray] = {}
    for split, count in (("train", 160), ("val", 40), ("test", 40)):
        arrays[f"{split}_images"] = rng.integers(0, 255, (count, 28, 28), dtype=np.uint8)
        arrays[f"{split}_labels"] = (np.arange(count) % 8 < 4).astype(np.uint8)[:, None]
    arrays["test_images"][0] = arrays["train_images"][8]
    np.savez(tmp_path / "pneumoniamnist.npz", **arrays)  # type: ignore[arg-type]
    monkeypatch.chdir(tmp_path)
    exec(EXPORT, {})
    return tmp_path


def test_a_film_of_two_parts_is_taken_out_of_training(films: Path) -> None:
    before = pd.read_csv(films / "pneumonia" / "films.csv")
    assert before["split"].value_counts().to_dict() == {"train": 40, "val": 40, "test": 40}
    exec(APART, {})
    after = pd.read_csv(films / "pneumonia" / "films.csv")
    lost = before[~before["film"].isin(after["film"])]
    assert lost["film"].tolist() == ["films/train0008.png"]


def test_init_guesses_what_the_page_shows(films: Path) -> None:
    assert main(["init", "pneumonia"]) == 0
    written = (films / "pneumonia_study" / "study.yaml").read_text(encoding="utf-8")
    shown, _ = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    lines = [line for line in shown.splitlines() if "root:" not in line]
    assert [line for line in lines if line not in written.splitlines()] == []
    assert "  epochs: 8\n" in written
    assert "  - { name: start, kind: contrast, axis: pretraining, baseline: random }\n" in written
