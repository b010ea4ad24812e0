"""Counts of masks on their way from checkpoints to ensembles and metrics."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from transfergrid.evaluation.ensemble import (
    choose_checkpoints,
    ensemble,
    read_ensemble,
    write_ensemble,
)
from transfergrid.evaluation.scores import Scores, read_scores, write_scores
from transfergrid.metrics.estimate import Estimator
from transfergrid.metrics.mask_record import COUNTS
from transfergrid.metrics.scoring import Cases, Scorer
from transfergrid.planning.metrics import built_in
from transfergrid.runtime.errors import UserError
from transfergrid.tasks.score.kind import score_half


def made(studies: int = 6) -> Scores:
    """Return three checkpoints of six films with two structures; the second finds all pixels."""
    rng = np.random.default_rng(0)
    true = rng.integers(1, 50, (studies, 2))
    true[0, 0] = 0
    both = np.stack([true // 2, true, true // 3])
    marked = both + np.array([3, 0, 9])[:, None, None]
    counts = [both, marked, np.broadcast_to(true, both.shape), np.full(both.shape, 144)]
    names = np.array([f"film{i}" for i in range(studies)])
    logits = np.stack(counts, axis=-1).astype(np.float32)
    return Scores(
        logits=logits,
        tops=logits[[1, 0, 2]] - 1,
        labels=(true > 0).astype(np.float32),
        image_id=names,
        study_id=np.array([f"s{i % studies}" for i in range(studies)]),
        patient_id=np.array([f"p{i // 2}" for i in range(studies)]),
        task=np.array(["lung", "heart"]),
        step=np.array([1, 2, 3]),
        valid_score=np.array([0.4, 1.0, 0.2]),
        task_kind="segmentation",
        aggregate="max",
    )


def test_counts_come_back_from_both_files(tmp_path: Path) -> None:
    scores = made()
    write_scores(tmp_path / "valid.npz", scores)
    again = read_scores(tmp_path / "valid.npz")
    assert np.array_equal(again.logits, scores.logits) and again.logits.shape == (3, 6, 2, 4)
    assert scores.tops is not None and again.tops is not None
    assert np.array_equal(again.tops, scores.tops)
    two = ensemble(again, choose_checkpoints("top2", again, Estimator.of(built_in("dice"))))
    assert np.array_equal(two.probabilities, scores.tops[1]) and two.n_checkpoints == 2
    metric = Estimator.of(built_in("dice"))
    chosen = choose_checkpoints("best", again, metric)
    table = ensemble(again, chosen)
    write_ensemble(tmp_path / "best.parquet", table)
    found = read_ensemble(tmp_path / "best.parquet")
    assert found.tasks == ("lung", "heart") and found.numbers == COUNTS
    assert np.array_equal(found.probabilities, scores.logits[1]) and found.n_checkpoints == 1
    cases = Cases(found.probabilities, found.labels, found.patient_id, found.tasks, found.tasks)
    assert Scorer.of(built_in("dice")).values(cases) == (1.0, {"lung": 1.0, "heart": 1.0})
    last = ensemble(scores, choose_checkpoints("last", scores, metric))
    values = last.probabilities
    dice = 2 * values[..., 0] / (values[..., 1] + values[..., 2])
    cases = replace(cases, probabilities=values)
    assert Scorer.of(built_in("dice_by_film")).values(cases)[0] == pytest.approx(dice.mean())


def test_a_diverged_cell_has_no_numbers(tmp_path: Path) -> None:
    scores = made()
    none = replace(
        scores,
        logits=scores.logits[:0],
        tops=scores.logits[:0],
        step=scores.step[:0],
        valid_score=scores.valid_score[:0],
    )
    table = ensemble(none, choose_checkpoints("best", none, Estimator.of(built_in("dice"))))
    write_ensemble(tmp_path / "best.parquet", table)
    found = read_ensemble(tmp_path / "best.parquet")
    assert np.isnan(found.probabilities).all() and found.probabilities.shape == (6, 2, 4)
    cases = Cases(found.probabilities, found.labels, found.patient_id, found.tasks, found.tasks)
    tasks, whole = Scorer.of(built_in("dice")).intervals(cases)
    assert "no_score" in whole.flags and all(np.isnan(one.estimate) for one in (whole, *tasks))


def test_what_counts_cannot_give_is_refused() -> None:
    scores = made()
    metric = Estimator.of(built_in("dice"))
    with pytest.raises(UserError, match="lacks tops, which masks need"):
        write_scores("scores.npz", replace(scores, tops=None))
    joined = replace(scores, study_id=np.array(["s"] * 6), patient_id=np.array(["p"] * 6))
    with pytest.raises(UserError, match="give every film a study_id of its own"):
        ensemble(joined, choose_checkpoints("best", scores, metric))
    with pytest.raises(UserError, match="does not fit"):
        write_scores("scores.npz", replace(scores, logits=scores.logits[..., :3]))
    with pytest.raises(UserError, match="masks have no probability"):
        score_half("segmentation").probabilities(np.zeros(2))


def test_the_share_of_right_pixels_is_over_all_films() -> None:
    counts = np.array([[[3, 5, 4, 10]], [[0, 0, 6, 20]], [[9, 9, 9, 9]]], dtype=np.float64)
    labels = np.array([[1.0], [1.0], [np.nan]])
    # Wrong are 2 + 1 pixels of the first film and 6 of the second; nothing counts of the third.
    assert score_half("segmentation").accuracy(counts, labels) == pytest.approx(21 / 30)
