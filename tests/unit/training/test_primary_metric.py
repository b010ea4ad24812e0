"""A training goes by the metric that its specification names, and so do its ensembles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, brier_score_loss
from unit.training.tiny import make_cache, make_spec

from transfergrid.evaluation.ensemble import cell_metric, choose_checkpoints, study_probabilities
from transfergrid.evaluation.predict import score_cell
from transfergrid.evaluation.scores import read_cell_scores
from transfergrid.planning.metrics import built_in, trained_by
from transfergrid.runtime.atomic import write_json
from transfergrid.runtime.errors import UserError
from transfergrid.training.loop import train


def trained(results: Path, kind: str, metric: str, **recipe: Any) -> tuple[Path, dict[str, Any]]:
    make_cache(results, kind)
    spec = {**make_spec(**recipe), "metric": dict(trained_by(built_in(metric)))}
    record = train(spec, results)
    folder = results / "cells" / record["cell"]
    write_json(folder / "spec.json", spec)
    score_cell(spec, results)
    return folder, record


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]


def test_the_lowest_brier_score_is_best(tmp_path: Path) -> None:
    folder, record = trained(
        tmp_path, "multilabel", "brier", epochs=40, patience=3, learning_rate=0.05
    )
    scores = [line["valid_score"] for line in lines(folder)]
    assert record["metric"] == "brier" and not record["higher_is_better"]
    assert record["best_valid_score"] == min(scores) < max(scores)
    assert np.argmin(scores) == len(scores) - 4 and len(scores) < 40  # patience
    index = json.loads((folder / "checkpoints" / "index.json").read_text())
    assert index["best"] == f"step-{record['best_step']:08d}.safetensors"
    valid = read_cell_scores(folder, "valid")
    chosen = choose_checkpoints("best", valid, cell_metric(folder))
    assert valid.step[chosen[0, 0]] == record["best_step"]
    # What training recorded is the score of what was stored, over studies of two films.
    values = study_probabilities(valid)[chosen[0, 0]]
    truth = valid.labels[::2]
    expected = [brier_score_loss(truth[:, t], values[:, t]) for t in (0, 1)]
    assert record["best_valid_score"] == pytest.approx(np.mean(expected), rel=1e-6)
    by_task = choose_checkpoints("top1_per_task", valid, cell_metric(folder))
    every = study_probabilities(valid)
    errors = ((every - truth) ** 2).mean(axis=1)
    assert by_task[:, 0].tolist() == errors.argmin(axis=0).tolist()


def test_a_metric_of_whole_cases_has_no_tasks(tmp_path: Path) -> None:
    folder, record = trained(tmp_path, "multiclass", "accuracy", epochs=3, optimizer="adamw")
    assert all(line["valid_score_tasks"] == {} for line in lines(folder))
    valid = read_cell_scores(folder, "valid")
    chosen = choose_checkpoints("best", valid, cell_metric(folder))
    values = study_probabilities(valid)[chosen[0, 0]]
    found = accuracy_score(valid.labels[::2].argmax(axis=1), values.argmax(axis=1))
    assert record["best_valid_score"] == pytest.approx(found)
    # No task has a score of its own, so each follows the whole.
    by_task = choose_checkpoints("top1_per_task", valid, cell_metric(folder))
    assert (by_task == chosen).all()


def test_an_operating_point_is_that_of_the_validation_set(tmp_path: Path) -> None:
    folder, record = trained(tmp_path, "multilabel", "sensitivity", epochs=2)
    assert all(0 <= line["valid_score"] <= 1 for line in lines(folder))
    assert record["metric"] == "sensitivity"


def unsure(scores: Any, labels: Any, patient: Any) -> Any:
    """Return known values whose error nobody can tell."""
    return np.mean(scores, axis=1), np.full(np.shape(scores), np.nan)


def test_an_own_metric_without_contributions_stops_the_first_validation(tmp_path: Path) -> None:
    make_cache(tmp_path, "multilabel")
    own = {**trained_by(built_in("brier")), "name": "mine", "function": f"{__name__}:unsure"}
    with pytest.raises(UserError, match=r"'mine' \(.*:unsure\) gives .* contributions that are N"):
        train({**make_spec(epochs=3), "metric": own}, tmp_path)
    assert not list((tmp_path / "cells").glob("*/checkpoints/*.safetensors"))
