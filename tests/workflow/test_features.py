"""Stored features in a run: made once, shared, freed, and made again for whoever needs them."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from small_study import SMALL
from tests.workflow.conftest import Workspace

from transfergrid.commands.main import main
from transfergrid.runtime.sealed import read_sealed

pytestmark = pytest.mark.slow

TO_SCORES = ("--until", "evaluate")
HEAD: dict[str, Any] = {"train_layers": "head", "epochs": 2}


def study(**protocols: dict[str, Any]) -> dict[str, Any]:
    """Return what makes of the small study one of these protocols, with random weights."""
    grid = {**SMALL["grid"][0], "pretrainings": ["random"], "truncations": [0]}
    return {
        "protocols": {"finetune": {}, **protocols},
        "grid": [{**grid, "protocols": list(protocols)}],
        "questions": [],
    }


def wanted(workspace: Workspace) -> Counter[str]:
    """Return the jobs up to scores that would run, stamps aside."""
    found = workspace.snakemake("--dry-run", *TO_SCORES)
    assert found.status == 0, found.text[-3000:]
    return Counter({rule: count for rule, count in found.jobs.items() if rule != "stamp"})


def specs(results: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(results.glob("cells/*/spec.json"))]


def test_features_are_made_once_and_again_when_they_are_gone(workspace: Workspace) -> None:
    workspace.write(study(head=HEAD))
    one = {"features": 1, "spec": 1, "train": 1, "evaluate": 1}
    assert wanted(workspace) == Counter({"prepare": 1, **one})
    done = workspace.snakemake(*TO_SCORES)
    assert done.status == 0, done.text[-6000:]
    results = workspace.folder / "results"
    (folder,) = (results / "features").glob("films-*")
    made = read_sealed(folder / "receipt.json")
    assert set(made["files"]) == {"train.npy", "valid.npy", "test.npy"}
    (spec,) = specs(results)
    assert spec["features"] == {"0": folder.name}

    # A further rate shares them; freed, they are missed by no cell that is trained and scored.
    both = study(head=HEAD, slow={**HEAD, "learning_rate": 1e-4})
    workspace.write(both)
    assert wanted(workspace) == Counter({**one, "features": 0})
    shutil.rmtree(folder)
    workspace.write(study(head=HEAD))
    assert wanted(workspace) == Counter()
    workspace.write(both)
    assert wanted(workspace) == Counter(one)
    done = workspace.snakemake(*TO_SCORES)
    assert done.status == 0, done.text[-6000:]
    assert read_sealed(folder / "receipt.json")["files"] == made["files"]
    assert [spec["features"] for spec in specs(results)] == 2 * [{"0": folder.name}]


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        ({"phases": [{"train_layers": "head"}]}, "phase 1 (head) has no end; give it epochs"),
        (
            {
                "phases": [{"train_layers": layers, "epochs": 1} for layers in ("last_1", "head")],
                "frozen_prefix": "stored",
            },
            "features of phase 2 cannot be stored, because an earlier phase trains layers",
        ),
        (
            {"train_layers": "last_7"},
            "trains last_7, but architecture 'lcnet_050' with 1 of its blocks removed has 6",
        ),
        (
            {**HEAD, "frozen_prefix": "stored", "augmentation": {"flip_probability": 0.5}},
            "cannot be stored, because each epoch augments the images anew; write auto or",
        ),
    ],
)
def test_what_cannot_be_is_one_sentence_of_both_programs(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], recipe: dict[str, Any], told: str
) -> None:
    changes = study(head=recipe)
    changes["grid"][0]["truncations"] = [1]
    path = workspace.write(changes)
    dry = workspace.snakemake("--dry-run")
    assert dry.status == 1 and told in dry.text and "Traceback" not in dry.text
    assert main(["plan", str(path), "--directory", str(workspace.folder)]) == 1
    said = capsys.readouterr().err
    assert told in said and said.count("\n") == 1
    assert not (workspace.folder / "results").exists()
