"""docs/extending.md, run as it stands."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.workflow.conftest import Workspace

from transfergrid.planning.paths import PROJECT
from transfergrid.reporting.figures.files import read_drawn

pytestmark = pytest.mark.slow
FILMS = 1200


def make_films(folder: Path) -> None:
    """Noise, with a bright disc in every other film."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    images = rng.integers(0, 120, (FILMS, 40, 40), dtype=np.uint8)
    rows, columns = np.mgrid[:40, :40]
    for number in range(0, FILMS, 2):
        middle = rng.integers(12, 28, 2)
        images[number][(rows - middle[0]) ** 2 + (columns - middle[1]) ** 2 < 64] += 120
    np.save(folder / "films.npy", images)
    split = np.array(["train", "train", "valid", "test"])[np.arange(FILMS) // 2 % 4]
    labels = pd.DataFrame({"patient": np.arange(FILMS), "split": split})
    labels.assign(disc=1 - np.arange(FILMS) % 2).to_csv(folder / "labels.csv", index=False)


def test_the_page_s_own_data_network_weights_and_questions(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (PROJECT / "docs" / "extending.md").read_text(encoding="utf-8")
    for name, text in re.findall(r"```\w+\n# (my_\w+\.\w+)\n(.*?)```", page, flags=re.S):
        (workspace.folder / name).write_text(text, encoding="utf-8")
    make_films(workspace.folder / "films")
    monkeypatch.setitem(os.environ, "MY_FILMS", str(workspace.folder / "films"))
    outcome = workspace.snakemake(study="my_study.yaml")
    assert outcome.status == 0, outcome.text[-6000:]
    cells = pd.read_csv(workspace.folder / "results/mine/tables/cells.csv")
    whole = cells[(cells["truncation"] == 0) & (cells["selection"] == "best")]
    assert len(cells) == 8 and set(cells["status"]) == {"finished"}
    # A disc in noise is easy, so a network that learns at all is nearly perfect.
    assert whole["score"].min() > 0.9
    contrasts = pd.read_csv(workspace.folder / "results/mine/tables/contrasts.csv")
    assert set(contrasts["question"]) == {"start", "depth", "by_youden"}
    assert set(contrasts.loc[contrasts["question"] == "by_youden", "metric"]) == {"youden"}
    findings = pd.read_csv(workspace.folder / "results/mine/tables/findings.csv")
    own = findings[findings["kind"] == "my_questions:per_block"].set_index("pretraining")
    cuts = contrasts[contrasts["question"] == "depth"].set_index("pretraining")["estimate"]
    # With two depths a slope is a difference.
    for name in ("random", "averaging"):
        assert own.loc[name, "value"] == pytest.approx(cuts[name], abs=1e-12)
        # Perfect networks leave no spread.
        assert own.loc[name, "low"] <= own.loc[name, "value"] <= own.loc[name, "high"]
    caption = "4 cells. No interval is drawn, and no test is made."
    drawn = read_drawn(workspace.folder / "results/mine")[-1]
    assert (drawn.shown.name, drawn.shown.caption) == ("price", caption)
    assert "Seconds of training" in drawn.svg
    report = (workspace.folder / "results/mine/report.html").read_text(encoding="utf-8")
    assert caption in report and "What does each removed block do to the score?" in report
    edited = workspace.folder / "my_figures.py"
    edited.write_text(
        edited.read_text(encoding="utf-8").replace("figsize=(5.6, 3)", "figsize=(5.6, 4)")
    )
    jobs = workspace.snakemake("-n", study="my_study.yaml").jobs
    assert set(jobs) == {"stamp", "figures", "page"}
    module = workspace.folder / "my_questions.py"
    module.write_text(module.read_text(encoding="utf-8").replace("score_per", "gain_per"))
    jobs = workspace.snakemake("-n", study="my_study.yaml").jobs
    assert set(jobs) == {"stamp", "costs", "figures", "statistics", "page"}
