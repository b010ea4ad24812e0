"""A kind of data set or of weights is its declaration and its module, and no code of the others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from unit.planning.made_up_plan import grid, planned

from transfergrid.catalog import kinds
from transfergrid.catalog.kinds import (
    DATASET_KINDS,
    PRETRAINING_KINDS,
    DatasetKind,
    PretrainingKind,
)
from transfergrid.catalog.stages import STAGE
from transfergrid.planning import fingerprint, schema
from transfergrid.planning.leaks import leaks
from transfergrid.planning.planned import PlannedStudy
from transfergrid.planning.tasks import possible_kinds
from transfergrid.reporting.page.citations import citations
from transfergrid.runtime.errors import UserError

FILMS = DatasetKind(
    "ward",
    "transfergrid.data.table:read",
    task_kinds=("multilabel",),
    files=("entries.csv", "test_list.txt"),
    official=("set",),
    patients={},
    cites="A ward, 2026.",
    settings={
        "set": {"enum": ["large", "small"], "description": "Which films.", "default": "large"},
        "image_px": {"$ref": "#/$defs/image_px", "description": "Side.", "default": 64},
    },
)
WEIGHTS = PretrainingKind(
    "shelf",
    "released",
    identify="transfergrid.planning.weight_sources:of_file",
    fetch="transfergrid.models.releases:from_file",
    cites="A shelf: {shelf}.",
    settings={
        "path": {"type": "string", "description": "Where.", "default": ""},
        "shelf": {"type": "string", "description": "Its name.", "default": "upper"},
    },
    required=("path",),
)


@pytest.fixture()
def declared(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(kinds, "DATASET_KINDS", (*DATASET_KINDS, FILMS))
    monkeypatch.setattr(kinds, "PRETRAINING_KINDS", (*PRETRAINING_KINDS, WEIGHTS))
    schema.study_schema.cache_clear()
    yield
    schema.study_schema.cache_clear()


def tables(root: Path) -> None:
    for name in FILMS.files:
        (root / name).write_text(name)


def cited(study: PlannedStudy) -> list[tuple[str, str]]:
    told = {"title": "", "name": "", "resolved": study.study.config, "cells": study.entries}
    return citations(told, {}, "", None)


@pytest.mark.usefixtures("declared")
def test_a_declared_kind_of_data_set_needs_nothing_else(tmp_path: Path) -> None:
    tables(tmp_path)
    changes = {"datasets": {"x": {"kind": "ward", "root": str(tmp_path)}}}
    study = planned(tmp_path, {**changes, **grid(datasets=["x"], pretrainings=["random"])})
    data = study.datasets["x"]
    assert set(data.declaration["tables"]) == set(FILMS.files)
    settings = study.study.config["datasets"]["x"]
    assert (settings["set"], settings["image_px"], settings["resize"]) == ("large", 64, "crop")
    assert [kind.name for kind in possible_kinds(settings)] == ["multilabel"]
    assert not leaks(data, "all", data, "all")
    assert ("Data: x", "A ward, 2026.") in cited(study)
    (tmp_path / "entries.csv").write_text("edited")
    again = planned(tmp_path, {**changes, **grid(datasets=["x"], pretrainings=["random"])})
    assert again.datasets["x"].id != data.id
    (tmp_path / "entries.csv").unlink()
    with pytest.raises(UserError, match=r"'x' lacks the label table .*entries\.csv"):
        planned(tmp_path, {**changes, **grid(datasets=["x"], pretrainings=["random"])})
    wrong = {"datasets": {"x": {"kind": "ward", "root": str(tmp_path), "set": "middle"}}}
    with pytest.raises(UserError, match=r"allowed are large, small"):
        planned(tmp_path, {**wrong, **grid(datasets=["x"], pretrainings=["random"])})


@pytest.mark.usefixtures("declared")
def test_a_declared_kind_of_weights_needs_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(b"1")
    entry = {"kind": "shelf", "path": str(tmp_path / "w.safetensors")}
    study = planned(tmp_path, {"pretrainings": {"x": entry}, **grid(pretrainings=["x"])})
    (weights,) = study.weights.values()
    assert weights.declaration["shelf"] == "upper" and len(weights.declaration["sha256"]) == 64
    assert ("Weights: x", "A shelf: upper.") in cited(study)
    with pytest.raises(UserError, match="lacks the setting 'path'"):
        planned(tmp_path, {"pretrainings": {"x": {"kind": "shelf"}}, **grid(pretrainings=["x"])})


def test_a_declaration_is_no_code_of_any_cell() -> None:
    # Another kind would make all data sets and cells of all users stale.
    for kind in DATASET_KINDS:
        assert "transfergrid.catalog.kinds" not in fingerprint.closure(
            fingerprint._prepare_roots(kind.name)
        )
    for stage in ("weights", "train", "tune", "evaluate", "ensembles"):
        roots = [f"transfergrid.{module}" for module in STAGE[stage].code]
        assert "transfergrid.catalog.kinds" not in fingerprint.closure(roots), stage
