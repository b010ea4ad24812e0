"""Films with masks, through Snakemake to the page; from labels to masks and back."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.workflow.conftest import Workspace
from tests.workflow.masked_study import MASKED, STUDY
from unit.data.discs import discs

from transfergrid.planning.records import TRAINED
from transfergrid.planning.study import merge
from transfergrid.reporting.pictures.file import read_pictures

pytestmark = pytest.mark.slow

START = {"kind": "cell", "protocol": "finetune"}
CHAIN: dict[str, Any] = {
    "pretrainings": {
        "textures": {**START, "dataset": "textures", "pretraining": "random"},
        "discs": {**START, "dataset": "discs", "pretraining": "textures"},
        "low": {"of": "textures", "derive": [{"keep": {"through": 2}}]},
        "low_discs": {"of": "discs", "derive": [{"keep": {"through": 2}}]},
    },
    "protocols": {"finetune": {"epochs": 1}},
    "grid": [
        {**STUDY["grid"][0], "pretrainings": ["textures", "low"], "truncations": [0]},
        {**STUDY["grid"][0], "datasets": ["films"], "pretrainings": ["discs", "low_discs"]},
    ],
}
"""From labels to masks, from these to labels, and both in part."""


def test_masks_are_learned_scored_and_told(masked: Workspace) -> None:
    results = masked.folder / "results"
    (cell,) = (results / "cells").glob(f"{MASKED}-*")
    with np.load(cell / "scores" / "test.npz") as stored:
        assert stored["logits"].shape == stored["tops"].shape == (3, 8, 1, 4)
    tables = results / "small" / "tables"
    scores = pd.read_csv(tables / "scores.csv")
    scores = scores[scores["cell"] == cell.name].set_index(["selection", "metric"])
    assert set(scores.index) == {
        (selection, metric)
        for selection in ("top2", "best")
        for metric in ("dice", "iou", "dice_pooled", "hd95")
    }
    far = scores.index.get_level_values("metric") == "hd95"
    assert scores["value"][~far].between(0.2, 1).all() and scores["value"][far].between(1, 44).all()
    states = pd.read_csv(tables / "mask_states.csv")
    assert states["n"].tolist() == [8, 8] and (states["both"] > 0).all()
    assert set(pd.read_csv(tables / "calibration.csv")["dataset"]) == {"films"}
    page = (results / "small" / "report.html").read_text(encoding="utf-8")
    assert "its classifier gives way to a decoder" in page and "acro Dice" not in page
    shown = page[page.index('id="mask-states"') : page.index('id="figures"')]
    assert f'data-label="Drawn and marked">{states["both"][0]}<' in shown
    assert "the pixels of all films are counted together" in shown
    assert "8 films of" in page and "<dd>8 films, " in page
    assert not (tables / "observers.csv").exists() and 'id="films"' not in page


def test_a_study_asks_for_observers_and_films_when_its_cells_are_there(
    masked: Workspace, tmp_path: Path
) -> None:
    workspace = Workspace(tmp_path / "run")
    shutil.copytree(masked.folder, workspace.folder, symlinks=True)
    asked = {"datasets": {"discs": {"observers": ["second"]}}, "pictures": {}}
    workspace.write(merge(STUDY, asked))
    outcome = workspace.snakemake()
    assert outcome.status == 0, outcome.text[-4000:]
    assert not {"prepare", "train", "evaluate", "ensembles", "cells"} & outcome.jobs.keys()
    folder = workspace.folder / "results" / "small"
    people = pd.read_csv(folder / "tables" / "observers.csv")
    assert (people["n"] == 8).all()
    values = people.drop_duplicates("metric").set_index("metric")["value"].to_dict()
    assert values.pop("hd95") <= 1  # all discs are one column further to the right
    assert set(values) == {"dice", "iou", "dice_pooled"} and 0.7 < min(values.values()) < 1
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "What people score against each other" in page and "<td>second</td>" in page
    assert "observer 2" in (folder / "figures" / "score.svg").read_text()
    films = page[page.index('<section id="films"') :]
    assert films[: films.index("</section>")].count("data:image/jpeg;base64,") == 3
    assert "<b>median</b> Dice" in films

    # Weights that are freed take no picture with them, whatever is asked next.
    shown = read_pictures(folder)
    (cell,) = (workspace.folder / "results" / "cells").glob(f"{MASKED}-*")
    (cell / TRAINED).unlink()
    shutil.rmtree(cell / "checkpoints")
    workspace.write(merge(STUDY, {**asked, "pictures": {"cells": "all"}}))
    outcome = workspace.snakemake()
    assert outcome.status == 0, outcome.text[-4000:]
    assert outcome.jobs.keys() == {"stamp", "pictures", "page"}
    assert "0 of 3 films have to be marked" in (folder / "logs" / "pictures.log").read_text()
    assert read_pictures(folder) == shown and all(one.picture for one in shown)

    workspace.write(merge(STUDY, {**asked, "pictures": {"hidden": ["discs"]}}))
    assert workspace.snakemake("-n").jobs == {"stamp": 1, "page": 1}


def test_labels_lead_to_masks_and_these_to_labels(workspace: Workspace) -> None:
    discs(workspace.folder / "discs.npz", {"train": 24, "val": 8, "test": 8}, side=32)
    workspace.write(merge(copy.deepcopy(STUDY), CHAIN))
    outcome = workspace.snakemake()
    assert outcome.status == 0, outcome.text[-4000:]
    results = workspace.folder / "results"
    folders = list((results / "cells").iterdir())
    cells = {(name.split("-")[0], name.split("-")[2]): name for name in (f.name for f in folders)}
    proofs = {
        key: json.loads((results / "cells" / name / "proof.json").read_text())
        for key, name in cells.items()
    }
    assert len(cells) == len(folders) == 5
    assert proofs["discs", "textures"]["cell"] == cells["textures", "random"]
    assert proofs["films", "discs"]["cell"] == cells["discs", "textures"]
    whole, part = (proofs["films", name] for name in ("discs", "low_discs"))
    assert whole["keep"] == "all" and whole["unexpected"] == [] and whole["matched"] > 20
    assert 0 < part["origins"]["source"] < whole["matched"] and part["cell"] == whole["cell"]
    assert 0 < proofs["discs", "low"]["origins"]["source"] < proofs["discs", "textures"]["matched"]
    tables = results / "small" / "tables"
    leaks = pd.read_csv(tables / "leaks.csv").query("dataset != other_dataset")
    links = set(zip(leaks["dataset"], leaks["other_dataset"], strict=True))
    assert links == {("discs", "textures"), ("films", "discs"), ("films", "textures")}
    assert leaks["n_images"].gt(0).all() and leaks["n_equal"].eq(0).all()
    assert pd.read_csv(tables / "sources.csv")["dataset"].tolist() == ["textures"]
    page = (results / "small" / "report.html").read_text(encoding="utf-8")
    assert "the same network, first trained on discs by protocol finetune" in page
