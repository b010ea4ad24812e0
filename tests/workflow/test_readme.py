"""The README's study of a table of images, run as it stands on tiny films."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tests.workflow.conftest import Workspace

from transfergrid.planning.paths import PROJECT

pytestmark = pytest.mark.slow
PATIENTS = 24


def make_films(folder: Path, header: list[str]) -> None:
    """Write films of noise with the README's table: two films a patient, a bright half if edema."""
    (folder / "films").mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows = []
    for number in range(2 * PATIENTS):
        patient = number // 2
        edema, effusion = patient % 2, int(rng.random() < 0.5)
        pixels = rng.integers(0, 150, (32, 32), dtype=np.uint8)
        pixels[16:] += 100 * edema
        name = f"films/{number:04d}.png"
        Image.fromarray(pixels).save(folder / name)
        split = ("train", "train", "valid", "test")[patient // 2 % 4]
        known = effusion if split != "train" or number % 5 else ""
        rows.append((name, f"p{patient:02d}", split, edema, known))
    pd.DataFrame(rows, columns=header).to_csv(folder / "films.csv", index=False)


def test_the_table_of_the_readme_becomes_a_report(workspace: Workspace) -> None:
    page = (PROJECT / "README.md").read_text(encoding="utf-8")
    table = re.search(r"```\n(image,.*?)\n", page)
    study = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert table and study
    make_films(workspace.folder / "films", table[1].split(","))
    text = study[1]
    # Smaller, shorter and of one seed; all else as it stands.
    for old, new in (
        ("/data/my_films", str(workspace.folder / "films")),
        ("image_px: 224", "image_px: 32"),
        ("epochs: 3, batch_size: 16", "epochs: 1, batch_size: 8"),
        ("seeds: [0, 1, 2]", "seeds: [0]"),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    (workspace.folder / "my_study.yaml").write_text(f"{text}device: cpu\n")
    outcome = workspace.snakemake(study="my_study.yaml", forks=False)  # as a reader's would
    assert outcome.status == 0, outcome.text[-6000:]
    results = workspace.folder / "results" / "mine"
    cells = pd.read_csv(results / "tables" / "cells.csv")
    whose = cells[["pretraining", "status", "n_images", "n_patients"]].drop_duplicates()
    assert sorted(whose.itertuples(index=False, name=None)) == [
        ("imagenet", "finished", 12, 6),
        ("random", "finished", 12, 6),
    ]
    (row,) = pd.read_csv(results / "tables" / "contrasts.csv").to_dict("records")
    assert row["contrast"] == "imagenet - random"
    report = (results / "report.html").read_text(encoding="utf-8")
    assert "What do other initial weights change, compared with random weights?" in report
