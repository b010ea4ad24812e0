"""Built-in metrics of labels against scikit-learn, a bootstrap of patients, and drawn test sets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk
from unit.metrics import drawn
from unit.metrics.scored import cases, rows

from transfergrid.catalog.metrics import LABEL_METRICS
from transfergrid.metrics.balanced_accuracy import best_threshold
from transfergrid.metrics.scoring import Cases, Scorer
from transfergrid.metrics.sensitivity import threshold_at_specificity
from transfergrid.planning.metrics import built_in, declare
from transfergrid.runtime.errors import UserError

CUT = 0.42


def scikit(name: str, scores: np.ndarray, labels: np.ndarray) -> float:
    """Return scikit-learn's value on cases that are all known."""
    called = scores >= CUT if labels.ndim == 1 else scores.argmax(axis=1)
    truth = labels if labels.ndim == 1 else labels.argmax(axis=1)
    found: dict[str, Callable[[], Any]] = {
        "auroc": lambda: sk.roc_auc_score(labels, scores),
        "average_precision": lambda: sk.average_precision_score(labels, scores),
        "brier": lambda: sk.brier_score_loss(labels, scores),
        "log_loss": lambda: sk.log_loss(labels, np.clip(scores, 1e-7, 1 - 1e-7)),
        "sensitivity": lambda: sk.recall_score(labels, called),
        "balanced_accuracy": lambda: sk.balanced_accuracy_score(labels, called),
        "accuracy": lambda: sk.accuracy_score(truth, called),
        "quadratic_kappa": lambda: sk.cohen_kappa_score(truth, called, weights="quadratic"),
        "macro_f1": lambda: sk.f1_score(truth, called, average="macro"),
    }
    return float(found[name]())


def sample(name: str, seed: int, patients: int = 150) -> tuple[np.ndarray, ...]:
    per_case = built_in(name)["per"] == "case"
    return drawn.classes(seed, patients) if per_case else drawn.task(seed, patients)


def settings_of(name: str) -> dict[str, float]:
    point = {"threshold": CUT} if built_in(name)["operating_point"] else {}
    return {**built_in(name)["settings"], **point}


NAMES = [metric.name for metric in LABEL_METRICS]


@pytest.mark.parametrize("name", NAMES)
def test_values_are_those_of_scikit_learn(name: str) -> None:
    function = Scorer.of(built_in(name)).estimator.function
    assert function is not None
    scores, labels, patient = sample(name, 1)
    known = ~np.isnan(labels) if labels.ndim == 1 else ~np.isnan(labels).any(axis=1)
    both = np.stack([scores, scores[::-1]])
    found, values = function(both, labels, patient, **settings_of(name))
    expected = [scikit(name, row[known], labels[known]) for row in both]
    assert found == pytest.approx(expected, rel=1e-10)
    assert values.shape == both.shape[:2] and (values[:, ~known] == 0).all()
    # A model's values do not depend on who stands beside it.
    alone, own = function(both[1:], labels, patient, **settings_of(name))
    assert alone[0] == found[1] and (own[0] == values[1]).all()


@pytest.mark.parametrize("name", NAMES)
def test_errors_are_those_of_a_bootstrap_of_patients(name: str) -> None:
    function = Scorer.of(built_in(name)).estimator.function
    assert function is not None
    ours, bootstrap = drawn.errors(function, *sample(name, 2), settings_of(name))
    assert ours == pytest.approx(bootstrap, rel=0.12)


@pytest.mark.parametrize("count", [2, 3, 8])
def test_the_error_of_macro_f1_is_that_of_takahashi(count: int) -> None:
    """Takahashi et al. (2022), section 3.2, of shares of pairs of true and called class."""
    scores, labels, _ = drawn.classes(3, 150, count)
    labels = labels[~np.isnan(labels).any(axis=1)]
    n = len(labels)
    scores = scores[:n]
    pairs = labels.T @ np.eye(count)[scores.argmax(axis=1)] / n
    both = pairs.sum(axis=0) + pairs.sum(axis=1)
    f1 = 2 * np.diag(pairs) / both
    missed = (both - 2 * np.diag(pairs)) / both
    single = (f1 * missed / both * (f1 / 2 + missed)).sum()
    double = ((pairs - np.diag(np.diag(pairs))) * np.outer(f1 / both, f1 / both)).sum()
    function = Scorer.of(built_in("macro_f1")).estimator.function
    assert function is not None
    (value,), (values,) = function(scores[None], labels, np.arange(n))
    assert value == pytest.approx(f1.mean(), rel=1e-12)
    # Contributions are for a sample of n, and the paper's variance has no n - 1.
    expected = 2 * (single + double) / count**2 / (n - 1)
    assert (values**2).sum() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_rows_are_within_the_range_and_hold_the_estimate(name: str) -> None:
    scorer = Scorer.of(built_in(name))
    scores, labels, patient = sample(name, 3)
    columns = (scores, labels) if scores.ndim == 2 else (scores[:, None], labels[:, None])
    found = cases(*columns, patient, range(columns[0].shape[1]) if scores.ndim == 2 else [0])
    points = scorer.points(found)
    intervals = rows(scorer, found, points)
    low, high = scorer.bounds
    assert all(low <= row.low < row.estimate < row.high <= high for row in intervals)
    assert len(intervals) == (1 if scorer.per_case else 2)
    influence = scorer.influence(found, points)
    assert (
        influence.estimate == pytest.approx(intervals[0].estimate) and influence.groups is not None
    )
    assert scorer.values(found, points)[0] == pytest.approx(intervals[0].estimate)
    if points is not None:
        with pytest.raises(UserError, match="operating points"):
            rows(scorer, found)


@pytest.mark.parametrize("name", NAMES)
def test_without_a_class_what_needs_it_is_undefined(name: str) -> None:
    scorer = Scorer.of(built_in(name))
    if scorer.per_case:
        labels = np.eye(3)[[0, 0, 1, 1]]
        found = cases(np.full((4, 3), 1 / 3), labels, np.arange(4), [0, 1, 2])
        assert np.isnan(scorer.values(found)[0]) == (name == "macro_f1")
        nothing = cases(np.full((4, 3), 1 / 3), np.full((4, 3), np.nan), np.arange(4), [0])
        assert np.isnan(rows(scorer, nothing)[0].estimate)
        return
    negatives = cases(np.linspace(0, 1, 6)[:, None], np.zeros((6, 1)), np.arange(6), [0])
    points = {"0": 0.5} if scorer.estimator.operating_point else None
    (whole, row) = rows(scorer, negatives, points)
    needed = name not in ("brier", "log_loss")
    assert np.isnan(row.estimate) == np.isnan(whole.estimate) == needed
    assert ("single_class" in row.flags) == needed and row.n_pos == 0


@pytest.mark.parametrize("name", ["auroc", "average_precision", "sensitivity", "balanced_accuracy"])
def test_a_single_positive_patient_makes_no_narrow_interval(name: str) -> None:
    rng = np.random.default_rng(4)
    labels = np.zeros((40, 2))
    labels[0, 0], labels[:20, 1] = 1, 1
    found = cases(rng.random((40, 2)), labels, np.arange(40), [0, 1])
    scorer = Scorer.of(built_in(name))
    points = None if scorer.estimator.operating_point is None else {"0": 0.5, "1": 0.5}
    (alone, other), whole = scorer.intervals(found, points)
    assert "scarce_positives" in alone.flags
    assert np.isnan(alone.low) or alone.high - alone.low > 0.6
    # Without bounds of a task there are none of the mean; they are not of no width.
    assert np.isnan(whole.low) == np.isnan(alone.low)
    assert np.isnan(whole.low) or whole.high - whole.low > other.high - other.low


def test_log_loss_is_clipped_where_it_says() -> None:
    for clip in (1e-7, 0.01):
        scorer = Scorer.of(declare(LABEL_METRICS[NAMES.index("log_loss")], settings={"clip": clip}))
        found = cases([[0.0], [1.0], [1.0]], [[1], [0], [1]], np.arange(3), [0])
        expected = (-2 * np.log(clip) - np.log(1 - clip)) / 3
        assert scorer.values(found)[0] == pytest.approx(expected)
        assert f"{clip:g}" in scorer.declaration["note"]


@pytest.mark.parametrize("answer", range(3))
def test_one_answer_for_all_has_a_kappa_of_nothing(answer: int) -> None:
    labels = np.eye(3)[np.random.default_rng(answer).integers(0, 3, 41)]
    found = cases(np.tile(np.eye(3)[answer], (41, 1)), labels, np.arange(41), [0])
    assert Scorer.of(built_in("quadratic_kappa")).values(found)[0] == 0  # to the last bit


def test_a_grade_that_nobody_has_keeps_its_place_in_kappa() -> None:
    """Of classes 0 to 4, 1 and 4 are three apart, though no case is 2 or 3."""
    truth = np.repeat([0, 1, 4], [60, 30, 10])
    called = truth.copy()
    called[-4:] = 1
    found = cases(np.eye(5)[called], np.eye(5)[truth], np.arange(100), [0])
    value = Scorer.of(built_in("quadratic_kappa")).values(found)[0]
    expected = sk.cohen_kappa_score(truth, called, weights="quadratic", labels=range(5))
    assert value == pytest.approx(expected)
    assert value < sk.cohen_kappa_score(truth, called, weights="quadratic") - 0.1


def test_of_equal_probabilities_the_first_class_counts() -> None:
    found = cases(np.full((2, 3), 1 / 3), np.eye(3)[[0, 1]], np.arange(2), [0])
    assert Scorer.of(built_in("accuracy")).values(found)[0] == 0.5


@pytest.mark.parametrize("specificity", [0.5, 0.9, 0.95])
def test_the_threshold_is_the_most_sensitive_with_that_specificity(specificity: float) -> None:
    for seed in range(4):
        scores, labels, _ = drawn.task(seed, step=0.05 if seed % 2 else 1e-9)
        known = ~np.isnan(labels)
        (cut,) = threshold_at_specificity(scores[None], labels, specificity)
        called, truth = scores[known] >= cut, labels[known] == 1
        assert (~called[~truth]).mean() >= specificity
        false, true, _ = sk.roc_curve(truth, scores[known], drop_intermediate=False)
        assert called[truth].mean() == pytest.approx(true[false <= 1 - specificity + 1e-12].max())
    assert np.isnan(threshold_at_specificity([[0.3, 0.4]], [1, np.nan], 0.9))[0]
    # Of ten negatives, nine are nine tenths.
    (cut,) = threshold_at_specificity([np.arange(10.0)], np.zeros(10), 0.9)
    assert cut == 8.5


def test_the_best_threshold_has_youdens_index() -> None:
    for seed in range(4):
        scores, labels, _ = drawn.task(seed, step=0.05 if seed % 2 else 1e-9)
        known = ~np.isnan(labels)
        (cut,) = best_threshold(scores[None], labels)
        false, true, _ = sk.roc_curve(labels[known], scores[known], drop_intermediate=False)
        value = sk.balanced_accuracy_score(labels[known], scores[known] >= cut)
        assert value == pytest.approx(((true - false).max() + 1) / 2)
    assert np.isnan(best_threshold([[0.3, 0.4]], [1, 1]))[0]


def test_without_a_threshold_a_value_is_flagged() -> None:
    scorer = Scorer.of(built_in("balanced_accuracy"))
    scores, labels, patient = drawn.task(1)
    found = cases(scores[:, None], labels[:, None], patient, [0])
    valid = cases(scores[:, None], np.zeros((len(scores), 1)), patient, [0])
    points = scorer.points(valid)
    assert points is not None and np.isnan(points["0"])
    assert rows(scorer, found, points)[1].flags == ("no_threshold",)


def test_priors_alone_have_a_high_micro_auroc() -> None:
    # Why there is none here: films of ISIC 2018 by class, each given the shares of the classes.
    counts = np.array([1113, 6705, 514, 327, 1099, 115, 142])
    labels = np.repeat(np.eye(7), counts, axis=0)
    priors = np.tile(counts / counts.sum(), (len(labels), 1))
    micro = sk.roc_auc_score(labels, priors, average="micro")
    assert round(float(micro), 2) == 0.87
    one_by_one = Scorer.of(built_in("auroc")).values(
        cases(priors, labels, np.arange(len(labels)), range(7))
    )
    assert one_by_one[0] == 0.5


def _drawn_set(rng: np.random.Generator, name: str, n: int = 160) -> Cases:
    patient = np.arange(n) // 2
    shared = rng.normal(size=n // 2)[patient] * 0.7
    if built_in(name)["per"] == "case":
        truth = np.repeat(rng.integers(0, 3, n // 2), 2)
        logits = 1.2 * np.eye(3)[truth] + rng.normal(size=(n, 3)) + shared[:, None] * [1, 0, -1]
        scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        return cases(scores, np.eye(3)[truth], patient, [0, 1, 2])
    labels = np.repeat(rng.random(n // 2) < 0.3, 2).astype(float)
    scores = 1 / (1 + np.exp(1 - 1.5 * labels - shared - rng.normal(size=n) * 0.7))
    return cases(scores[:, None], labels[:, None], patient, [0])


@pytest.mark.parametrize("name", [name for name in NAMES if name != "auroc"])
def test_intervals_hold_the_truth(name: str) -> None:
    scorer, rng = Scorer.of(built_in(name)), np.random.default_rng(7)
    point = {"0": 0.45} if scorer.estimator.operating_point else None
    truth = scorer.values(_drawn_set(rng, name, 60000), point)[0]
    means = [rows(scorer, _drawn_set(rng, name), point)[0] for _ in range(300)]
    share = np.mean([mean.low <= truth <= mean.high for mean in means])
    assert 0.92 <= share <= 0.985
