"""A trained cell on another hospital's films, against the network itself and scikit-learn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from sklearn.metrics import roc_auc_score
from unit.training.tiny import TinyNet, make_cache, make_spec, train_cell, write_receipt

from transfergrid.data.store import SPLITS, open_split
from transfergrid.evaluation.external import record_external
from transfergrid.evaluation.external_files import External, external_ensembles, read_external
from transfergrid.evaluation.predict import score_cell
from transfergrid.models.normalise import Normalise, Preprocessing
from transfergrid.models.trained import Trained
from transfergrid.planning.ends import weighings_directory
from transfergrid.runtime.errors import UserError

ID, OTHER = "tiny-own-random-drop0-external-0", "other-1"
RECIPE = {"epochs": 3, "keep_checkpoints": 2}


def other(results: Path, **card: Any) -> Path:
    """Make the films of another hospital: others drawn alike, task columns the other way round."""
    made = results / "elsewhere"
    make_cache(made)
    cache = results / "cache" / OTHER
    (made / "cache" / "tiny-0").rename(cache)
    rng = np.random.default_rng(77)
    for split in SPLITS:
        films = np.load(cache / f"{split}.npy").astype(int)
        noisy = np.clip(films // 2 + rng.integers(0, 90, films.shape), 0, 255)
        np.save(cache / f"{split}.npy", noisy.astype(np.uint8))
    values = json.loads((cache / "card.json").read_text())
    values |= {"dataset": "other", "tasks": ["Half", "Bright"], "patients": "unknown", **card}
    (cache / "card.json").write_text(json.dumps(values))
    write_receipt_of(cache, values["tasks"])
    return cache


def write_receipt_of(cache: Path, tasks: list[str]) -> None:
    """Write the receipt of a cache whose tasks are in another order than its index's columns."""
    table = pq.ParquetFile(cache / "index.parquet")
    groups = [table.read_row_group(group) for group in range(3)]
    names = [name for name in groups[0].column_names if not name.startswith("label_")]
    with pq.ParquetWriter(
        cache / "index.parquet",
        groups[0].select([*names, *(f"label_{task}" for task in tasks)]).schema,
    ) as writer:
        for group in groups:
            writer.write_table(group.select([*names, *(f"label_{task}" for task in tasks)]))
    write_receipt(cache)


def made_from(cell: str, **changes: Any) -> dict[str, Any]:
    about = {"cell": cell, "dataset": OTHER, "tested_on": "other", "split": "test", "tasks": None}
    return {**about, **changes}


@pytest.fixture
def cell(tmp_path: Path) -> str:
    name = train_cell(tmp_path, **RECIPE)
    score_cell(make_spec(**RECIPE), tmp_path)
    other(tmp_path)
    return name


def scored(results: Path, cell: str, **changes: Any) -> External:
    record_external(ID, made_from(cell, **changes), make_spec(**RECIPE), results)
    return read_external(ID, results)


def logits_by_hand(results: Path, cell: str, images: np.ndarray) -> np.ndarray:
    trained = Trained.of(results / "cells" / cell)
    normalise = Normalise(Preprocessing.from_dict(trained.json("proof.json")["preprocessing"]))
    found = []
    for checkpoint in trained.checkpoints():
        network = TinyNet(2).eval()
        network.load_state_dict(trained.tensors(checkpoint["file"]))
        with torch.inference_mode():
            found.append(network(normalise(torch.from_numpy(images))).numpy())
    return np.stack(found)


def test_every_checkpoint_is_scored_on_the_films_of_the_test_split(
    cell: str, tmp_path: Path
) -> None:
    found = scored(tmp_path, cell)
    films = open_split(tmp_path / "cache" / OTHER, "test")
    by_hand = logits_by_hand(tmp_path, cell, np.array(films.images))
    np.testing.assert_allclose(found.scores.logits, by_hand, rtol=1e-4, atol=1e-5)
    assert found.scores.task.tolist() == ["Bright", "Half"]  # in the cell's order
    assert np.array_equal(found.scores.labels, films.labels[:, ::-1])
    assert found.scores.image_id.tolist() == films.image_id.tolist()
    assert found.card == {"synthetic": True, "patients": "unknown"} and not found.left_out


def test_ensembles_are_of_the_checkpoints_that_validation_chose(cell: str, tmp_path: Path) -> None:
    found = scored(tmp_path, cell)
    folder = tmp_path / "cells" / cell
    made = external_ensembles(found, folder, ["best", "top2", "last"])
    valid = found.scores.valid_score
    probability = 1 / (1 + np.exp(-found.scores.logits.astype(float)))
    # Two views are a study: by the larger logit, which is the larger probability.
    pairs = probability.reshape(2, -1, 2, 2).max(axis=2)
    truth = found.scores.labels[::2]
    wanted = {"best": pairs[np.argmax(valid)], "top2": pairs.mean(axis=0), "last": pairs[1]}
    for name, table in made.items():
        np.testing.assert_allclose(table.probabilities, wanted[name], rtol=1e-12)
        assert np.array_equal(table.labels, truth) and table.n_images == 20
    area = roc_auc_score(truth[:, 0], made["top2"].probabilities[:, 0])
    assert 0.5 < area <= 1
    # What was scored there must be what was scored here.
    later = External(
        read_external(ID, tmp_path).scores.__class__(
            **{**vars(found.scores), "step": found.scores.step + 1}
        ),
        found.card,
        (),
    )
    with pytest.raises(UserError, match="that were scored on other films are not those of its own"):
        external_ensembles(later, folder, ["best"])


def test_every_film_may_be_scored_and_soft_labels_are_unknown(cell: str, tmp_path: Path) -> None:
    found = scored(tmp_path, cell, split="all")
    splits = [open_split(tmp_path / "cache" / OTHER, name) for name in SPLITS]
    images = np.concatenate([np.array(one.images) for one in splits])
    labels = np.concatenate([one.labels for one in splits])[:, ::-1]
    assert len(found.scores.image_id) == len(images) == 100
    by_hand = logits_by_hand(tmp_path, cell, images)
    np.testing.assert_allclose(found.scores.logits, by_hand, rtol=1e-4, atol=1e-5)
    soft = (labels > 0) & (labels < 1)
    assert soft.sum() == 1 and np.isnan(found.scores.labels[soft]).all()
    assert np.array_equal(found.scores.labels[~soft], labels[~soft], equal_nan=True)


def test_tasks_are_those_that_both_have(cell: str, tmp_path: Path) -> None:
    found = scored(tmp_path, cell, tasks=["Half"])
    assert found.scores.task.tolist() == ["Half"] and found.left_out == ("Bright",)
    whole = scored(tmp_path, cell)
    assert np.array_equal(found.scores.logits[..., 0], whole.scores.logits[..., 1])
    (table,) = external_ensembles(found, tmp_path / "cells" / cell, ["best"]).values()
    (both,) = external_ensembles(whole, tmp_path / "cells" / cell, ["best"]).values()
    assert np.array_equal(table.probabilities[:, 0], both.probabilities[:, 1])


@pytest.mark.parametrize(
    ("card", "block", "sentence"),
    [
        ({}, {"tasks": ["Haf"]}, r"names the task 'Haf' \(did you mean 'Half'\?\)"),
        (
            {"score_tasks": ["x"], "tasks": ["x", "y"]},
            {},
            "'other' has none of the scored tasks of 'tiny', Bright, Half; it has x, y",
        ),
        (
            {"resize": "pad"},
            {},
            "learned films with resize crop, and 'other' was prepared with pad",
        ),
        ({"task_kind": "multiclass"}, {}, "are multilabel and data set 'other' is multiclass"),
    ],
)
def test_what_does_not_fit_is_told_before_anything_is_scored(
    tmp_path: Path, card: dict[str, Any], block: dict[str, Any], sentence: str
) -> None:
    cell = train_cell(tmp_path, **RECIPE)
    cache = other(tmp_path, **{key: value for key, value in card.items() if key != "tasks"})
    if "tasks" in card:
        values = json.loads((cache / "card.json").read_text()) | card
        (cache / "card.json").write_text(json.dumps(values))
        rename = dict(zip(("label_Half", "label_Bright"), ("label_x", "label_y"), strict=True))
        table = pq.ParquetFile(cache / "index.parquet")
        groups = [table.read_row_group(group) for group in range(3)]
        named = [g.rename_columns([rename.get(n, n) for n in g.column_names]) for g in groups]
        with pq.ParquetWriter(cache / "index.parquet", named[0].schema) as writer:
            for group in named:
                writer.write_table(group)
        write_receipt(cache)
    with pytest.raises(UserError, match=sentence):
        scored(tmp_path, cell, **block)
    assert not weighings_directory(ID, tmp_path).exists()


def test_a_diverged_cell_has_no_probability_there(tmp_path: Path) -> None:
    recipe = {"learning_rate": 1e30, "optimizer": "sgd", **RECIPE}
    cell = train_cell(tmp_path, **recipe)
    other(tmp_path)
    score_cell(make_spec(**recipe), tmp_path)
    record_external(ID, made_from(cell), make_spec(**recipe), tmp_path)
    found = read_external(ID, tmp_path)
    assert found.scores.logits.shape == (0, 20, 2)
    (table,) = external_ensembles(found, tmp_path / "cells" / cell, ["best"]).values()
    assert np.isnan(table.probabilities).all() and table.n_checkpoints == 0
