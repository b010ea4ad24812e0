"""Slices of NIfTI volumes, with labels and with masks, through Snakemake to scores in mm."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from datasets.made_nifti import SPACING, affine, save
from small_study import SMALL
from tests.workflow.conftest import Workspace

pytestmark = pytest.mark.slow

PATIENTS, SLICES, SIDE = 12, 6, 32
COMMON: dict[str, Any] = {
    "root": "head",
    "table": "slices.csv",
    "image_column": "volume",
    "patient_column": "patient",
    "split": {"column": "part", "train": ["train"], "valid": ["valid"], "test": ["test"]},
    "nifti": {"slice": "number", "axis": "axial", "range": [0, 1200]},
    "image_px": SIDE,
    "channels": "grey",
}
CELL = {**SMALL["grid"][0], "pretrainings": ["random"], "truncations": [2]}
STUDY: dict[str, Any] = {
    "datasets": {
        "bright": {**COMMON, "kind": "csv", "label_columns": ["lesion"]},
        "lesions": {
            **COMMON,
            "kind": "mask_table",
            "layers": [{"structures": ["lesion"], "files": ["mask"]}],
            "spacing": ["row_mm", "column_mm"],
        },
    },
    "protocols": {"finetune": {"learning_rate": 3e-3, "epochs": 2, "batch_size": 8}},
    "grid": [{**CELL, "datasets": ["bright"]}, {**CELL, "datasets": ["lesions"]}],
    "evaluation": {"selections": ["best"], "metrics": ["hd95"]},
    "subgroups": [{"column": "sex"}],
    "questions": [],
    "pictures": None,
}


def draw(folder: Path) -> None:
    """Volumes of noise, in whose upper half of slices a disc is bright; stored in two ways."""
    rng, rows = np.random.default_rng(0), []
    disc = np.hypot(*(np.indices((SIDE, SIDE)) - SIDE // 2)) < 6
    for patient in range(PATIENTS):
        mask = np.zeros((SIDE, SIDE, SLICES), np.uint8)
        mask[..., SLICES // 2 :] = disc[..., None]
        values = rng.normal(300, 30, mask.shape) + 600.0 * mask
        towards = affine(("RAS", "LAS")[patient % 2])
        volume, marks = f"volumes/{patient}.nii.gz", f"masks/{patient}.nii"
        save(folder / volume, values.round(), towards, np.int16, scale=(2.0, -100.0))
        save(folder / marks, mask, towards)
        part = ("train", "train", "valid", "test")[patient % 4]
        for number in range(SLICES):
            told = [f"p{patient}", part, "FM"[patient // 4 % 2], int(number >= SLICES // 2)]
            rows.append([volume, number, marks, *told, SPACING[1], SPACING[0]])
    names = ["volume", "number", "mask", "patient", "part", "sex", "lesion", "row_mm", "column_mm"]
    pd.DataFrame(rows, columns=names).to_csv(folder / "slices.csv", index=False)


def test_slices_are_prepared_learned_and_scored(workspace: Workspace) -> None:
    draw(workspace.folder / "head")
    workspace.write(STUDY)
    outcome = workspace.snakemake()
    assert outcome.status == 0, outcome.text[-6000:]
    results = workspace.folder / "results"
    for name in ("bright", "lesions"):
        (card,) = (results / "cache").glob(f"{name}-*/card.json")
        told = " ".join(json.loads(card.read_text())["notes"])
        assert "Films are axial slices of NIfTI volumes" in told and "values 0 and 1200" in told
        films = np.load(card.parent / "train.npy")
        middle = films[:, SIDE // 2, SIDE // 2].reshape(-1, SLICES)
        assert (middle[:, SLICES // 2 :] > 150).all() and (middle[:, : SLICES // 2] < 90).all()
    masks = np.load(card.parent / "test.masks.npy")
    assert masks.shape == (PATIENTS // 4 * SLICES, 1, SIDE, SIDE)
    assert (masks.any(axis=(1, 2, 3)).reshape(-1, SLICES) == ([False] * 3 + [True] * 3)).all()
    scores = pd.read_csv(results / "small" / "tables" / "scores.csv").set_index("metric")
    assert np.isfinite(scores.loc["hd95", "value"]).all()
    assert (scores.loc["dice", "value"] > 0.2).all()
    groups = pd.read_csv(results / "small" / "tables" / "subgroups.csv")
    assert {"F", "M"} <= set(groups["group"])


def test_an_unfit_volume_stops_prepare_and_nothing_is_trained(workspace: Workspace) -> None:
    folder = workspace.folder / "head"
    draw(folder)
    path = folder / "volumes/7.nii.gz"
    path.write_bytes(path.read_bytes()[:-60])
    workspace.write({**STUDY, "grid": STUDY["grid"][:1]})
    outcome = workspace.snakemake()
    assert outcome.status != 0
    told = f"{SLICES} of {PATIENTS * SLICES} images are broken and nothing was written"
    assert told in outcome.text and "7.nii.gz cannot be read (Compressed file" in outcome.text
    assert not list((workspace.folder / "results").glob("cells/*/train.json"))
