"""The MedMNIST study on real chest films, cut to one short cell."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
from tests.workflow.conftest import Workspace

from transfergrid.planning.paths import PROJECT

PLACES = (
    os.environ.get("PNEUMONIAMNIST", ""),
    str(PROJECT.parent / "shared" / "data" / "pneumoniamnist_balanced_28px.npz"),
)
FILE = next((Path(place) for place in PLACES if place and Path(place).is_file()), None)


@pytest.mark.slow
@pytest.mark.skipif(FILE is None, reason="no PneumoniaMNIST file; name one in $PNEUMONIAMNIST")
def test_a_cell_on_real_films(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PNEUMONIAMNIST", str(FILE))
    shutil.copy(PROJECT / "studies" / "pneumoniamnist.yaml", workspace.folder / "study.yaml")
    only = (
        "only={architectures: [lcnet_050], pretrainings: [random], protocols: [lr3e3], seeds: [0]}"
    )
    outcome = workspace.snakemake("--config", only, "recipe={epochs: 2}")
    assert outcome.status == 0, outcome.text[-4000:]
    results = workspace.folder / "results"
    table = pd.read_csv(results / "pneumoniamnist" / "tables" / "cells.csv")
    assert table["score"].max() > 0.75  # two epochs: far from chance, far from the study's numbers
    assert table["flags"].str.contains("patients_unknown").all()
    card = json.loads(next(results.glob("cells/*/card.json")).read_text())
    assert card["patients"] == "unknown"
    page = (results / "pneumoniamnist" / "report.html").read_text()
    assert "Patients unknown" in page
    assert "Phantom data" not in page
