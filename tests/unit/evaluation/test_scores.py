from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from transfergrid.evaluation.scores import (
    Scores,
    patient_of_study,
    read_scores,
    validate,
    write_scores,
)
from transfergrid.runtime.errors import UserError


def make(checkpoints: int = 2) -> Scores:
    rng = np.random.default_rng(0)
    labels = np.array([[0, 1], [0, 1], [1, np.nan], [0, 0]], dtype=np.float32)
    return Scores(
        logits=rng.normal(size=(checkpoints, 4, 2)).astype(np.float32),
        labels=labels,
        image_id=np.array(["a", "b", "c", "d"]),
        study_id=np.array(["s1", "s1", "s2", "s3"]),
        patient_id=np.array(["p1", "p1", "p1", "p2"]),
        task=np.array(["Edema", "Pleural Effusion"]),
        step=np.arange(1, checkpoints + 1, dtype=np.int64) * 10,
        valid_score=np.linspace(0.6, 0.7, checkpoints),
        task_kind="multilabel",
        aggregate="max",
    )


@pytest.mark.parametrize("checkpoints", [0, 2])
def test_a_file_gives_back_what_was_written(tmp_path: Path, checkpoints: int) -> None:
    scores = make(checkpoints)
    write_scores(tmp_path / "test.npz", scores)
    back = read_scores(tmp_path / "test.npz")
    for field in fields(Scores):
        old, new = getattr(scores, field.name), getattr(back, field.name)
        np.testing.assert_array_equal(old, new)
        if isinstance(old, np.ndarray):
            assert old.dtype == new.dtype
    write_scores(tmp_path / "again.npz", back)
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "test.npz").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["again.npz", "test.npz"]


def test_the_file_is_the_published_contract(tmp_path: Path) -> None:
    write_scores(tmp_path / "valid.npz", make())
    with np.load(tmp_path / "valid.npz", allow_pickle=False) as archive:
        found = {name: (archive[name].dtype.kind, archive[name].shape) for name in archive}
        assert archive["logits"].dtype == archive["labels"].dtype == np.float32
        assert archive["step"].dtype == np.int64
    assert found == {
        "logits": ("f", (2, 4, 2)),
        "labels": ("f", (4, 2)),
        "image_id": ("U", (4,)),
        "study_id": ("U", (4,)),
        "patient_id": ("U", (4,)),
        "task": ("U", (2,)),
        "step": ("i", (2,)),
        "valid_score": ("f", (2,)),
        "task_kind": ("U", ()),
        "aggregate": ("U", ()),
    }


_NAN_LOGITS = np.full((2, 4, 2), np.nan, dtype=np.float32)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"logits": np.zeros((2, 4, 2))}, "logits must be float32"),
        ({"logits": np.zeros((2, 3, 2), np.float32)}, "shape"),
        ({"logits": _NAN_LOGITS}, "logit is NaN"),
        ({"labels": np.full((4, 2), 0.7, np.float32)}, "labels must be 0, 1 or NaN"),
        ({"image_id": np.array(["a", "a", "c", "d"])}, "image_id holds a name twice"),
        ({"task": np.array(["x", "x"])}, "task holds a name twice"),
        ({"image_id": np.array(["a", "b", "c", "d"], dtype=object)}, "must hold text"),
        ({"patient_id": np.array(["p1", "p9", "p1", "p2"])}, "s1"),
        ({"step": np.array([20, 10])}, "step must increase"),
        ({"valid_score": np.array([0.5, np.inf])}, "valid_score"),
        ({"task_kind": "binary"}, "task_kind"),
        ({"aggregate": "median"}, "aggregate"),
    ],
)
def test_a_broken_contract_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    broken = replace(make(), **change)
    with pytest.raises(UserError, match=message):
        validate(broken)
    with pytest.raises(UserError, match=message):
        write_scores(tmp_path / "test.npz", broken)
    assert not list(tmp_path.iterdir())


def test_a_missing_array_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "old.npz", logits=make().logits)
    with pytest.raises(UserError, match="lacks labels"):
        read_scores(tmp_path / "old.npz")


def test_patients_follow_the_studies_first_images() -> None:
    scores = make()
    assert patient_of_study(scores.study_id, scores.patient_id).tolist() == ["p1", "p1", "p2"]
