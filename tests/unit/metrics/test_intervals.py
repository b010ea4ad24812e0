from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import recomputed
from numpy.typing import ArrayLike
from scipy import optimize, stats
from unit.evaluation.proc import golden
from unit.metrics.scored import intervals

from transfergrid.metrics.auroc_interval import delong_interval, score_interval
from transfergrid.metrics.influence import delong_covariance, macro_influence
from transfergrid.metrics.intervals import Interval
from transfergrid.runtime.errors import UserError

PROC = golden.cases()


def task_interval(scores: ArrayLike, labels: ArrayLike, patient: ArrayLike) -> Interval:
    """Return the interval of one task, whose mean over tasks has to be the same."""
    columns = (np.asarray(values)[:, None] for values in (scores, labels))
    (task,), macro = intervals(*columns, patient, [0])
    bounds = [[part.estimate, part.low, part.high] for part in (task, macro)]
    assert bounds[0] == pytest.approx(bounds[1], rel=1e-12, nan_ok=True)
    return task


def draw(
    rng: np.random.Generator, n_pos: int, n_neg: int, area: float
) -> tuple[np.ndarray, np.ndarray]:
    labels = np.repeat([1.0, 0.0], [n_pos, n_neg])
    return rng.normal(size=len(labels)) + labels * np.sqrt(2) * stats.norm.ppf(area), labels


def test_a_large_sample_has_delongs_interval() -> None:
    scores, labels = draw(np.random.default_rng(0), 4000, 9000, 0.8)
    found = task_interval(scores, labels, np.arange(13000))
    area, covariance = delong_covariance(scores[None], labels)
    se = np.sqrt(covariance[0, 0])
    assert found.estimate == area[0] and found.se == pytest.approx(se, rel=1e-12)
    low, high = stats.norm.interval(0.95, area[0], se)
    assert found.high - found.low == pytest.approx(high - low, rel=0.01)
    assert found.low == pytest.approx(low, abs=0.1 * se)
    assert found.flags == ()
    assert (found.n, found.n_pos, found.n_neg, found.n_patients) == (13000, 4000, 9000, 13000)


@pytest.mark.parametrize("case", PROC)
def test_delongs_interval_is_that_of_proc(case: str) -> None:
    scores, labels, expected = PROC[case]
    for model, values in zip("ab", scores, strict=True):
        found = task_interval(values, labels, np.arange(len(labels)))
        assert found.estimate == pytest.approx(expected[f"auc_{model}"], abs=1e-12)
        assert found.se**2 == pytest.approx(expected[f"var_{model}"], rel=1e-9, abs=1e-30)
        bounds = expected[f"low_{model}"], expected[f"high_{model}"]
        assert delong_interval(found.estimate, found.se) == pytest.approx(bounds, abs=1e-12)
        # Ours has a width, and a sensible one, where that of pROC has none or is cut.
        assert found.low < found.estimate and found.high - found.low > 0.01
        assert found.high < 1 or found.estimate == 1


def test_patients_count_not_their_studies() -> None:
    scores, labels = draw(np.random.default_rng(2), 60, 60, 0.8)
    found = task_interval(np.repeat(scores, 4), np.repeat(labels, 4), np.repeat(np.arange(120), 4))
    once = task_interval(scores, labels, np.arange(120))
    assert (found.n, found.n_patients) == (480, 120)
    # Copies of a study hold no information.
    assert found.se == pytest.approx(once.se, rel=1e-12)
    twenty = task_interval(scores, labels, np.r_[np.arange(60) // 3, np.arange(60, 120)])
    assert twenty.flags == ("few_positives",)


@pytest.mark.parametrize(("n_pos", "n_neg"), [(1, 7), (3, 7), (20, 20), (5, 200)])
@pytest.mark.parametrize("area", [0.0, 0.5, 0.9, 1.0])
def test_bounds_lie_z_standard_errors_away(area: float, n_pos: int, n_neg: int) -> None:
    measured = np.array([0.03 / n_pos, 0.002 / n_neg]) * (0 < area < 1)
    low, high = score_interval(area, list(measured), [n_pos, n_neg])
    assert 0 <= low <= area <= high <= 1 and low < high
    patients = np.array([n_pos, n_neg])
    for bound in (low, high):
        if bound in (0.0, 1.0):
            continue
        # What Hanley and McNeil say of exponential scores, and what was measured beside it.
        model = recomputed.model_variance(bound) / patients
        scale = recomputed.model_variance(bound) / (recomputed.model_variance(area) or np.inf)
        seen = (patients - 1) * bound * (1 - bound)
        variance = (seen * measured * scale + 2 * 1.5 * model) / (seen + 2)
        assert abs(area - bound) == pytest.approx(1.959964 * np.sqrt(variance.sum()), rel=1e-5)


def test_without_a_measured_spread_it_is_newcombes() -> None:
    # With measured variances that are the model's own, and many patients: Newcombe's method 5.
    for area, n_pos, n_neg in ((0.8, 5000, 5000), (0.95, 3000, 90000)):
        model = recomputed.model_variance(area)
        found = score_interval(area, [model / n_pos, model / n_neg], [n_pos, n_neg])

        def distance(theta: float, area=area, n_pos=n_pos, n_neg=n_neg) -> float:
            mean = (n_pos + n_neg) / 2 - 1
            spread = 1 + mean * ((1 - theta) / (2 - theta) + theta / (1 + theta))
            variance = theta * (1 - theta) * spread / (n_pos * n_neg)
            return (area - theta) ** 2 - 1.959964**2 * variance

        expected = optimize.brentq(distance, 0, area), optimize.brentq(distance, area, 1)
        assert found == pytest.approx(expected, abs=2e-4)


def test_perfect_separation_is_not_certainty() -> None:
    labels = np.repeat([0.0, 1.0], 8)
    found = task_interval(np.arange(16.0), labels, np.arange(16))
    assert found.estimate == found.high == 1.0
    assert 0.6 < found.low < 0.9 and found.se == 0
    assert "no_variance" in found.flags
    clustered = task_interval(np.arange(16.0), labels, np.arange(16) // 2)
    assert clustered.low < found.low
    constant = task_interval(np.zeros(16), labels, np.arange(16))
    assert constant.low < 0.3 and constant.high > 0.7
    # One misranked pair changes the bound by little: there is no jump where the variance ends.
    nearly = task_interval([*range(7), 7.5, 7, *range(8, 15)], labels, np.arange(16))
    assert nearly.estimate < 1 and nearly.low == pytest.approx(found.low, abs=0.07)


@pytest.mark.parametrize(("n_pos", "flags"), [(1, 2), (4, 2), (5, 1), (29, 1), (30, 0)])
def test_few_patients_are_flagged(n_pos: int, flags: int) -> None:
    scores, labels = draw(np.random.default_rng(n_pos), n_pos, 60, 0.8)
    found = task_interval(scores, labels, np.arange(n_pos + 60))
    assert found.flags == ("few_positives", "scarce_positives")[:flags]
    assert np.isnan(found.se) == (n_pos == 1) and found.low < found.estimate < found.high
    mirrored = task_interval(-scores, 1 - labels, np.arange(n_pos + 60))
    assert mirrored.flags == ("few_negatives", "scarce_negatives")[:flags]
    assert (mirrored.low, mirrored.high) == pytest.approx((found.low, found.high), rel=1e-12)


@pytest.mark.parametrize(
    ("labels", "counts"), [([0, 0, np.nan], (2, 0, 2)), ([1, 1, 1], (3, 3, 0))]
)
def test_single_class_is_nan_with_its_count(
    labels: list[float], counts: tuple[int, int, int]
) -> None:
    found = task_interval([1.0, 2.0, 3.0], labels, np.arange(3))
    assert np.isnan([found.estimate, found.se, found.low, found.high]).all()
    assert (found.n, found.n_pos, found.n_neg) == counts
    assert found.flags == ("single_class",)


def test_a_diverged_cell_is_nan() -> None:
    parts, macro = intervals(np.full((4, 1), np.nan), [[0], [1], [0], [1]], np.arange(4), [0])
    assert np.isnan(macro.estimate) and parts[0].flags == ("no_score",)
    assert parts[0].n_pos == 2


def test_macro_interval_covers_the_dependence_of_its_tasks() -> None:
    scores, labels = draw(np.random.default_rng(3), 80, 120, 0.75)
    patient = np.arange(200) // 2
    same = np.stack([scores, scores], axis=1), np.stack([labels, labels], axis=1)
    parts, macro = intervals(*same, patient, [0, 1])
    # Two copies of one task are one task.
    assert (macro.se, macro.low, macro.high) == pytest.approx(
        (parts[0].se, parts[0].low, parts[0].high), rel=1e-12
    )
    part = macro_influence(*same, patient, [0, 1])
    assert macro.se == pytest.approx(np.sqrt((part.values**2).sum()), rel=1e-12)
    other = draw(np.random.default_rng(4), 80, 120, 0.75)[0]
    _, apart = intervals(np.stack([scores, other], axis=1), same[1], patient, [0, 1])
    assert apart.se < 0.85 * macro.se


@pytest.mark.parametrize("patients", [40, 120])
def test_clustered_intervals_are_those_of_the_textbook(patients: int) -> None:
    rng = np.random.default_rng(patients)
    patient = np.sort(rng.integers(0, patients, 2 * patients))
    labels = (rng.normal(size=(patients, 2))[patient] > 0.3).astype(float)
    labels[rng.random(labels.shape) < 0.1] = np.nan
    scores = np.round(np.nan_to_num(labels) + rng.normal(size=(patients, 2))[patient], 1)
    columns = {"label_a": labels[:, 0], "label_b": labels[:, 1]}
    columns |= {"prob_a": scores[:, 0], "prob_b": scores[:, 1], "patient_id": patient}
    frame = pd.DataFrame(columns)
    parts, macro = intervals(scores, labels, patient, [0, 1])
    assert ("few_positives" in macro.flags) == (patients == 40)
    for found, tasks in ((parts[0], "a"), (parts[1], "b"), (macro, "ab")):
        expected = recomputed.interval(frame, list(tasks))
        assert (found.estimate, found.low, found.high) == pytest.approx(expected, abs=1e-12)


def test_macro_with_perfect_and_single_class_tasks() -> None:
    scores, labels = draw(np.random.default_rng(5), 40, 60, 0.8)
    perfect = labels + 0.0
    both = np.stack([scores, perfect], axis=1)
    truth = np.stack([labels, labels], axis=1)
    parts, macro = intervals(both, truth, np.arange(100), [0, 1])
    # The perfect task shares no noise that one could see, but it may err on its own.
    below = np.hypot(parts[0].estimate - parts[0].low, 1 - parts[1].low) / 2
    assert macro.low == pytest.approx(macro.estimate - below, rel=1e-12)
    assert macro.se == pytest.approx(parts[0].se / 2, rel=1e-12)
    _, whole = intervals(both[:, [1, 1]], truth, np.arange(100), [0, 1])
    assert whole.estimate == whole.high == 1.0
    assert whole.low == pytest.approx(parts[1].low)
    truth[:, 1] = 0
    parts, macro = intervals(both, truth, np.arange(100), [0, 1])
    assert np.isnan(macro.estimate) and macro.flags == ("single_class",)
    assert macro.n_pos == 0 and parts[0].estimate > 0.5
    with pytest.raises(UserError, match="names no task"):
        intervals(both, truth, np.arange(100), [])


@pytest.mark.parametrize("area", [0.8, 0.95, 0.99])
@pytest.mark.parametrize(("n_pos", "n_neg"), [(5, 95), (5, 495), (20, 180), (60, 240)])
def test_coverage(n_pos: int, n_neg: int, area: float) -> None:
    rng = np.random.default_rng(6)
    hits = 0
    for _ in range(1000):
        found = task_interval(*draw(rng, n_pos, n_neg, area), np.arange(n_pos + n_neg))
        hits += found.low <= area <= found.high
    assert 0.93 <= hits / 1000 <= 0.995
