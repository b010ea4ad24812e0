"""Data sets as a study declares them: what tests/datasets makes."""

from __future__ import annotations

FOLDER = "CheXpert-v1.0-small"
DECLARATION = {"id": "chex-12345678", "kind": "chexpert", "image_px": 16, "score_tasks": 5}
CSV = {
    "kind": "csv",
    "image_px": 12,
    "table": "labels.csv",
    "image_column": "image",
    "label_columns": ["Mass", "Micro-Calcification"],
    "patient_column": "patient",
    "split": {"column": "part", "train": ["development"], "valid": ["tuning"], "test": ["holdout"]},
}
