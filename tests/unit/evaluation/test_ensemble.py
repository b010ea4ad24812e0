from __future__ import annotations

import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.special import expit, softmax
from sklearn.metrics import roc_auc_score

from transfergrid.evaluation.ensemble import (
    Ensemble,
    choose_checkpoints,
    content_sha256,
    ensemble,
    read_ensemble,
    task_scores,
    write_ensemble,
)
from transfergrid.evaluation.scores import Scores, write_scores
from transfergrid.metrics.estimate import Estimator
from transfergrid.planning.metrics import built_in, trained_by
from transfergrid.runtime.errors import UserError

STUDIES = 30
AUROC = Estimator.of(trained_by(built_in("auroc")))


def make(kind: str = "multilabel", aggregate: str = "max", checkpoints: int = 4) -> Scores:
    rng = np.random.default_rng(0)
    study = np.repeat(np.arange(STUDIES), 2)
    if kind == "multilabel":
        labels = (rng.random((STUDIES, 3)) < 0.5)[study].astype(np.float32)
        labels[study == 3, 1] = np.nan
    else:
        labels = np.eye(3, dtype=np.float32)[rng.integers(0, 3, STUDIES)][study]
    logits = rng.normal(scale=3, size=(checkpoints, 2 * STUDIES, 3)).astype(np.float32)
    return Scores(
        logits=logits,
        labels=labels,
        image_id=np.array([f"i{n}" for n in range(2 * STUDIES)]),
        study_id=np.array([f"s{STUDIES - s}" for s in study]),
        patient_id=np.array([f"p{s // 2}" for s in study]),
        task=np.array(["A", "B b", "C"]),
        step=np.arange(1, checkpoints + 1, dtype=np.int64),
        valid_score=rng.random(checkpoints),
        task_kind=kind,
        aggregate=aggregate,
    )


@pytest.mark.parametrize("aggregate", ["max", "mean"])
@pytest.mark.parametrize("kind", ["multilabel", "multiclass"])
def test_views_then_probability_then_checkpoints(kind: str, aggregate: str) -> None:
    scores = make(kind, aggregate)
    chosen = np.array([[0, 2], [1, 2], [0, 3]])
    found = ensemble(scores, chosen)
    logits = scores.logits.astype(float).reshape(4, STUDIES, 2, 3)
    for s in range(STUDIES):
        views = getattr(np, aggregate)(logits[:, s], axis=1)
        single = expit(views) if kind == "multilabel" else softmax(views, axis=1)
        for t in range(3):
            assert found.probabilities[s, t] == pytest.approx(
                np.mean([single[c, t] for c in chosen[t]]), rel=1e-13
            )
    assert found.probabilities.dtype == np.float64
    assert found.study_id.tolist() == [f"s{STUDIES - s}" for s in range(STUDIES)]
    assert found.patient_id.tolist() == [f"p{s // 2}" for s in range(STUDIES)]
    np.testing.assert_array_equal(found.labels, scores.labels[::2])


def test_task_scores_are_over_studies() -> None:
    scores = make()
    found = task_scores(scores, AUROC)
    assert found.shape == (4, 3)
    best = scores.logits.reshape(4, STUDIES, 2, 3).max(axis=2)
    known = np.arange(STUDIES) != 3
    assert found[2, 1] == pytest.approx(
        roc_auc_score(scores.labels[::2][known, 1], best[2, known, 1]), abs=1e-12
    )


def test_checkpoints_come_from_validation() -> None:
    valid = make()
    best = int(np.argmax(valid.valid_score))
    np.testing.assert_array_equal(choose_checkpoints("best", valid, AUROC), [[best]] * 3)
    by_task = choose_checkpoints("top1_per_task", valid, AUROC)[:, 0]
    np.testing.assert_array_equal(by_task, np.argmax(task_scores(valid, AUROC), axis=0))


def test_a_diverged_cell_keeps_its_studies() -> None:
    scores = make(checkpoints=0)
    chosen = choose_checkpoints("top10", scores, AUROC)
    found = ensemble(scores, chosen)
    assert chosen.shape == (3, 0)
    assert np.isnan(found.probabilities).all() and found.probabilities.shape == (STUDIES, 3)
    assert np.isfinite(found.labels[0]).all()


@pytest.mark.parametrize("checkpoints", [0, 4])
def test_parquet_is_the_published_contract(tmp_path: Path, checkpoints: int) -> None:
    scores = make(checkpoints=checkpoints)
    table = ensemble(scores, choose_checkpoints("top2", scores, AUROC))
    path = tmp_path / "test.parquet"
    write_ensemble(path, table)
    schema = pq.read_schema(path)
    assert [(f.name, str(f.type)) for f in schema] == [
        ("study_id", "string"),
        ("patient_id", "string"),
        ("prob_A", "double"),
        ("prob_B b", "double"),
        ("prob_C", "double"),
        ("label_A", "float"),
        ("label_B b", "float"),
        ("label_C", "float"),
    ]
    chosen = {"n_checkpoints": b"2" if checkpoints else b"0", "n_images": b"60", "made_of": b""}
    chosen["sha256"] = content_sha256(read_ensemble(path)).encode()
    assert schema.metadata == {name.encode(): value for name, value in chosen.items()}
    back = read_ensemble(path)
    assert back.tasks == table.tasks
    assert (back.n_checkpoints, back.n_images) == (2 if checkpoints else 0, 2 * STUDIES)
    for name in ("study_id", "patient_id", "probabilities", "labels"):
        old, new = getattr(table, name), getattr(back, name)
        np.testing.assert_array_equal(old, new)
        assert old.dtype.kind == new.dtype.kind and old.dtype.itemsize == new.dtype.itemsize
    write_ensemble(tmp_path / "again.parquet", back)
    assert (tmp_path / "again.parquet").read_bytes() == path.read_bytes()


def test_a_foreign_table_is_refused(tmp_path: Path) -> None:
    pq.write_table(pq.read_table(_written(tmp_path)).drop_columns(["label_C"]), tmp_path / "x")
    with pytest.raises(UserError, match="lacks label_C"):
        read_ensemble(tmp_path / "x")


def test_a_file_without_counts_is_refused(tmp_path: Path) -> None:
    pq.write_table(pq.read_table(_written(tmp_path)).replace_schema_metadata(), tmp_path / "old")
    with pytest.raises(
        UserError, match="lacks n_checkpoints, n_images, made_of, sha256; remove it"
    ):
        read_ensemble(tmp_path / "old")


def test_the_file_is_that_of_pyarrow_itself(tmp_path: Path) -> None:
    # Columns are laid out by hand, without pandas; names of any script, and of no length at all.
    names = np.array(["", "ä", "患者 7", "p\n8"])
    values = np.array([[0.25], [np.nan], [1.0], [0.0]])
    table = Ensemble(names, names[::-1], ("A",), values, values.astype(np.float32), 1, 4)
    write_ensemble(tmp_path / "t.parquet", table)
    found = pq.read_table(tmp_path / "t.parquet")
    expected = pa.table(
        {
            "study_id": names.tolist(),
            "patient_id": names[::-1].tolist(),
            "prob_A": pa.array(values[:, 0]),
            "label_A": pa.array(values[:, 0].astype(np.float32)),
        }
    )
    assert found.schema.equals(expected.schema)
    assert [column.null_count for column in found.columns] == [0] * 4
    for name in found.column_names:
        left, right = found[name].to_pylist(), expected[name].to_pylist()
        assert repr(left) == repr(right)


def test_making_an_ensemble_imports_nothing_heavy(tmp_path: Path) -> None:
    # There are thousands of such jobs, and imports were most of their time.
    scores = make()
    write_scores(tmp_path / "test.npz", scores)
    code = f"""
import sys
from transfergrid.evaluation.ensemble import choose_checkpoints, ensemble, write_ensemble
from transfergrid.evaluation.scores import read_scores
from transfergrid.metrics.estimate import Estimator
scores = read_scores({str(tmp_path / "test.npz")!r})
metric = Estimator.of({dict(trained_by(built_in("auroc")))!r})
table = ensemble(scores, choose_checkpoints("top2", scores, metric))
write_ensemble({str(tmp_path / "t.parquet")!r}, table)
print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"pandas", "scipy", "torch"} & set(done.stdout.split())


def _written(folder: Path) -> Path:
    scores = make()
    write_ensemble(
        folder / "t.parquet", ensemble(scores, choose_checkpoints("last", scores, AUROC))
    )
    return folder / "t.parquet"


def test_a_multiclass_study_has_one_class() -> None:
    scores = make("multiclass")
    labels = scores.labels.copy()
    labels[5] = np.roll(labels[4], 1)
    with pytest.raises(UserError, match=f"s{STUDIES - 2}"):
        ensemble(replace(scores, labels=labels), np.zeros((3, 1), dtype=np.int64))


def test_no_flipped_bit_changes_an_ensemble_in_silence(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    names, labels = np.array([f"s{n}" for n in range(6)]), np.eye(6, 2, dtype=np.float32)
    write_ensemble(path, Ensemble(names, names, ("A", "B"), labels / 3.0, labels, 2, 6))
    whole, expected = path.read_bytes(), read_ensemble(path)
    found = 0
    for place in range(0, len(whole), 3):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << (place % 8)
        path.write_bytes(flipped)
        try:
            again = read_ensemble(path)
        except UserError as error:
            found += 1
            assert str(path) in str(error)
            continue
        for field in fields(Ensemble):
            assert np.array_equal(getattr(again, field.name), getattr(expected, field.name))
    assert found > len(whole) / 6  # the rest is statistics and the like, which nobody reads
