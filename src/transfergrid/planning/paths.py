"""Where things are: the project's own files, and every path under results/."""

from __future__ import annotations

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]
RESOURCES = PROJECT / "resources"
SCRIPTS = PROJECT / "workflow" / "scripts"
RULES = PROJECT / "workflow" / "rules"
SCHEMAS = PROJECT / "workflow" / "schemas"
TEMPLATES = PROJECT / "workflow" / "report"

RESULTS = Path("results")


def cell_directory(cell: str, results: Path = RESULTS) -> Path:
    """Return the folder of a cell."""
    return results / "cells" / cell


def cache_directory(dataset_id: str, results: Path = RESULTS) -> Path:
    """Return the folder of a data set's cache."""
    return results / "cache" / dataset_id


def origin_file(dataset_id: str, results: Path = RESULTS) -> Path:
    """Return the record of what the images of a data set's cache were read from."""
    return results / "origins" / f"{dataset_id}.parquet"


def weights_directory(weights_id: str, results: Path = RESULTS) -> Path:
    """Return the folder of prepared initial weights."""
    return results / "weights" / weights_id


def features_directory(features_id: str, results: Path = RESULTS) -> Path:
    """Return the folder of stored features."""
    return results / "features" / features_id


def activations_directory(state_id: str, results: Path = RESULTS) -> Path:
    """Return the folder of a state's activations."""
    return results / "activations" / state_id


def tuning_file(tuning_id: str, results: Path = RESULTS) -> Path:
    """Return the file that holds the learning rate found by trials."""
    return results / "tuning" / tuning_id / "tuning.json"


def ensemble_directory(study: str, cell: str, selection: str, results: Path = RESULTS) -> Path:
    """Return the folder of one cell's ensemble under one selection rule."""
    return results / study / "ensemble" / cell / selection
