"""Intervals of folds, against those of one test set and against what they must be made of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.statistics.test_pooled import cases, cut, pooled, scorer

from transfergrid.metrics.scoring import Cases
from transfergrid.statistics.pooled_intervals import FoldedCases, PooledIntervals, pooled_intervals


def intervals(
    folds: dict[str, Cases], alpha: float = 0.05, metric: str = "auroc"
) -> PooledIntervals:
    # Operating points are fixed on other cases, those of each fold on their own.
    own = scorer(metric)
    folded = {
        fold: FoldedCases(one, own.points(cases(900 + place, range(30))))
        for place, (fold, one) in enumerate(folds.items())
    }
    return pooled_intervals(folded, own, alpha)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(6, 30), st.integers(1, 3))
def test_one_fold_has_its_own_intervals_to_the_last_bit(
    seed: int, patients: int, films: int
) -> None:
    one = cases(seed, range(patients), films=films)
    tasks, whole = scorer().intervals(one)
    found = intervals({"0": one})
    assert repr(found.whole) == repr(whole)
    assert repr(list(found.tasks.values())) == repr(tasks)
    assert tuple(found.tasks) == one.tasks and set(found.n_folds.values()) == {1}


@pytest.mark.parametrize(
    "metric", ["average_precision", "brier", "log_loss", "sensitivity", "balanced_accuracy"]
)
def test_a_fold_has_its_own_intervals_whatever_the_metric(metric: str) -> None:
    one, own = cases(3, range(30)), scorer(metric)
    tasks, whole = own.intervals(one, own.points(cases(900, range(30))))
    found = intervals({"0": one}, metric=metric)
    assert repr(found.whole) == repr(whole)
    assert repr(list(found.tasks.values())) == repr(tasks)


def test_each_fold_is_judged_at_its_own_operating_point() -> None:
    # One fold's scores are shifted, and its threshold with them: nothing else may change.
    def of(shift: float) -> PooledIntervals:
        own = scorer("balanced_accuracy")
        folds = {}
        for fold, one in cut(2).items():
            points = {task: 0.5 + shift * int(fold) for task in one.tasks}
            moved = replace(one, probabilities=one.probabilities + shift * int(fold))
            folds[fold] = FoldedCases(moved, points)
        return pooled_intervals(folds, own)

    assert repr(of(0.0)) == repr(of(2.0))
    whole = of(0.0).whole
    assert whole.low < whole.estimate < whole.high


def test_a_task_without_an_operating_point_in_any_fold_says_so() -> None:
    own = scorer("sensitivity")
    folds = {
        fold: FoldedCases(one, {task: float("nan") for task in one.tasks})
        for fold, one in cut(2).items()
    }
    assert pooled_intervals(folds, own).whole.flags == ("no_threshold",)


def test_they_have_the_error_of_the_pooled_contributions_and_count_all_patients() -> None:
    folds = cut(5)
    found, run = intervals(folds), pooled(folds).influence
    assert found.whole.estimate == run.estimate
    assert found.whole.se == pytest.approx(np.sqrt((run.values**2).sum()))
    alone = [scorer().intervals(one) for one in folds.values()]
    for name in ("n", "n_patients"):
        assert getattr(found.whole, name) == sum(getattr(whole, name) for _, whole in alone)
    for t, task in enumerate(next(iter(folds.values())).tasks):
        for name in ("n", "n_pos", "n_neg", "n_patients"):
            total = sum(getattr(tasks[t], name) for tasks, _ in alone)
            assert getattr(found.tasks[task], name) == total
    width = found.whole.high - found.whole.low
    assert width < 0.65 * min(whole.high - whole.low for _, whole in alone)
    assert found.whole.low < run.estimate < found.whole.high
    assert intervals(folds, 0.5).whole.low > found.whole.low


def test_a_fold_without_a_class_is_flagged_and_not_counted() -> None:
    folds = cut(4)
    labels = folds["2"].labels.copy()
    labels[:, 0] = np.where(np.isnan(labels[:, 0]), np.nan, 0)
    folds["2"] = replace(folds["2"], labels=labels)
    found = intervals(folds)
    assert found.left_out == {"edema": ("2",)}
    assert found.n_folds == {"edema": 3, "fracture": 4, "mass": 4, "": 3}
    assert "without_fold_2" in found.tasks["edema"].flags
    assert "without_fold_2" in found.whole.flags
    assert "without_fold_2" not in found.tasks["fracture"].flags
    without = intervals({fold: one for fold, one in folds.items() if fold != "2"})
    for name in ("estimate", "se", "low", "high", "n", "n_pos", "n_patients"):
        assert getattr(found.tasks["edema"], name) == pytest.approx(
            getattr(without.tasks["edema"], name)
        )


def test_a_diverged_fold_leaves_no_result_but_all_counts() -> None:
    folds = cut(3)
    whole = intervals(folds).whole
    folds["1"] = replace(folds["1"], probabilities=np.full_like(folds["1"].probabilities, np.nan))
    found = intervals(folds)
    for part in (found.whole, *found.tasks.values()):
        assert np.isnan([part.estimate, part.low, part.high]).all()
        assert part.flags == ("no_score",)
    assert (found.whole.n, found.whole.n_patients) == (whole.n, whole.n_patients)


def test_a_task_with_one_class_in_every_fold_says_so() -> None:
    folds = cut(2)
    for fold, label in zip(folds, (0, 1), strict=True):
        labels = folds[fold].labels.copy()
        labels[:, 2] = np.where(np.isnan(labels[:, 2]), np.nan, label)
        folds[fold] = replace(folds[fold], labels=labels)
    found = intervals(folds)
    assert found.tasks["mass"].flags == ("single_class",)
    assert np.isfinite(found.whole.estimate)  # it is not scored
