"""A finished run's tables again, from its stored ensembles, by other code than the project's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import recomputed
from sklearn.metrics import roc_auc_score
from small_study import SMALL
from tests.workflow.conftest import Workspace

pytestmark = pytest.mark.slow

SCORED = ("cardiomegaly", "pleural_effusion")
LEVEL = 0.52
MARGINS = {"cut": None, "kept": 0.2}


def test_tables_follow_from_the_stored_ensembles(workspace: Workspace) -> None:
    axis = {"axis": "truncation", "baseline": 0}
    cut = {"kind": "contrast", **axis}
    speed = {"name": "speed", "kind": "convergence", **axis, "level": LEVEL}
    workspace.write(
        {
            "recipe": {"validate_every_examples": 16},
            "datasets": {"films": {"test_patients": 120}},
            "grid": [{**SMALL["grid"][0], "pretrainings": ["random"], "seeds": [0, 1]}],
            "questions": [{**cut, "name": "cut"}, {**cut, "name": "kept", "margin": 0.2}, speed],
        }
    )
    tables = ("results/small/tables/contrasts.csv", "results/small/tables/scores.csv")
    outcome = workspace.snakemake(*tables)
    assert outcome.status == 0, outcome.text[-6000:]
    folder = workspace.folder / "results" / "small"
    cells = pd.read_csv(folder / "tables" / "cells.csv")
    assert len(cells) == 2 * 2 * 2  # cuts, seeds, selections
    scores = pd.read_csv(folder / "tables" / "scores.csv").set_index(["cell", "selection"])
    for row in cells.to_dict("records"):
        tasks = scores.loc[[(row["cell"], row["selection"])]].set_index("task")
        check_cell(row, tasks, ensemble(folder, row["cell"], row["selection"]))
    check_contrasts(pd.read_csv(folder / "tables" / "contrasts.csv"), cells, folder)
    check_convergence(pd.read_csv(folder / "tables" / "convergence.csv"), cells, folder)


def check_convergence(table: pd.DataFrame, cells: pd.DataFrame, folder: Path) -> None:
    """Look for the level in the histories, which a truncated network and a whole one left."""
    steps = table[table["unit"] == "steps"].set_index("arm")
    for truncation, own in cells[cells["selection"] == "best"].groupby("truncation"):
        times = []
        for cell in own["cell"]:
            path = folder.parent / "cells" / cell / "history.jsonl"
            history = pd.read_json(path, lines=True)
            assert len(history) > 2
            there = history.loc[history["valid_score"] >= LEVEL, "step"]
            times.append(there.min() if len(there) else np.inf)
        row = steps.loc[truncation]
        assert row["n_reached"] == np.isfinite(times).sum()
        assert row["restricted_mean"] == pytest.approx(np.minimum(times, row["horizon"]).mean())


def ensemble(folder: Path, cell: str, selection: str) -> pd.DataFrame:
    return pd.read_parquet(folder / "ensemble" / cell / selection / "test.parquet")


def check_cell(row: dict, tasks: pd.DataFrame, frame: pd.DataFrame) -> None:
    numbers = [row[name] for name in ("score", "score_low", "score_high")]
    assert numbers == pytest.approx(recomputed.interval(frame, SCORED), abs=1e-12)
    assert row["n_patients"] == frame["patient_id"].nunique()
    judged = 0
    for name in frame.columns[frame.columns.str.startswith("label_")]:
        task = name.removeprefix("label_")
        known = frame[frame[name].notna()]
        found = tasks.loc[task]
        assert found["n_pos"] == (known[name] == 1).sum()
        if known[name].nunique() < 2:
            assert np.isnan(found["value"])
            continue
        area = roc_auc_score(known[name], known[f"prob_{task}"])
        assert found["value"] == pytest.approx(area, abs=1e-12)
        numbers = [found[name] for name in ("value", "low", "high")]
        assert numbers == pytest.approx(recomputed.interval(frame, [task]), abs=1e-12)
        judged += 1
    assert judged > 5


def check_contrasts(contrasts: pd.DataFrame, cells: pd.DataFrame, folder: Path) -> None:
    primary = cells[cells["selection"] == "best"].sort_values("seed")

    def arm(truncation: int) -> list[pd.DataFrame]:
        own = primary.loc[primary["truncation"] == truncation, "cell"]
        return [ensemble(folder, cell, "best") for cell in own]

    for question, margin in MARGINS.items():
        expected = recomputed.contrast([(arm(1), arm(0))], SCORED, margin)
        (row,) = contrasts[contrasts["question"] == question].to_dict("records")
        assert row["contrast"] == "one block removed - whole network"
        place = {"axis": "truncation", "architecture": "lcnet_050", "pretraining": "random"}
        assert {name: row[name] for name in place} == place
        for name, value in expected.items():
            assert row[name] == pytest.approx(value, rel=1e-9, nan_ok=True)
        for name in ("p_difference", "p_equivalence"):
            assert row[f"{name}_adjusted"] == pytest.approx(row[name], nan_ok=True)
        assert [row["verdict"]] == recomputed.verdicts([expected])
