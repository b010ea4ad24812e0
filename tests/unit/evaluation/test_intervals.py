from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import recomputed
from numpy.typing import ArrayLike
from scipy import stats
from unit.evaluation.proc import golden

from transfergrid.evaluation.influence import delong_covariance, macro_influence
from transfergrid.evaluation.intervals import (
    Interval,
    intervals,
    logit_interval,
    score_interval,
)
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


def test_large_independent_sample_is_delongs_interval() -> None:
    scores, labels = draw(np.random.default_rng(0), 60, 140, 0.8)
    found = task_interval(scores, labels, np.arange(200))
    area, covariance = delong_covariance(scores[None], labels)
    se = np.sqrt(covariance[0, 0])
    assert found.se == pytest.approx(se, rel=1e-12)
    bounds = stats.norm.interval(0.95, area[0], se)
    assert (found.low, found.high) == pytest.approx(bounds, abs=1e-12)
    assert found.flags == ()
    assert (found.n, found.n_pos, found.n_neg, found.n_patients) == (200, 60, 140, 200)
    assert found.method == "DeLong clustered by patient"


@pytest.mark.parametrize("case", PROC)
def test_intervals_are_those_of_proc_but_at_the_edges(case: str) -> None:
    scores, labels, expected = PROC[case]
    for model, values in zip("ab", scores, strict=True):
        found = task_interval(values, labels, np.arange(len(labels)))
        bounds = expected[f"low_{model}"], expected[f"high_{model}"]
        variance = expected[f"var_{model}"]
        assert found.estimate == pytest.approx(expected[f"auc_{model}"], abs=1e-12)
        if variance > 0:
            assert found.se**2 == pytest.approx(variance, rel=1e-9)
        if (labels == 1).sum() < 30:
            assert found.method == "DeLong clustered by patient, t on the logit"
        elif variance == 0:
            assert found.method == "score interval (Newcombe 5)" and found.low < bounds[0] == 1
        elif bounds[1] == 1:  # where pROC cuts
            assert found.method == "DeLong clustered by patient, on the logit"
            assert found.low < bounds[0] and found.high < 1
        else:
            assert (found.low, found.high) == pytest.approx(bounds, abs=1e-12)


def test_an_interval_that_would_leave_the_scale_is_on_the_logit() -> None:
    scores, labels = draw(np.random.default_rng(3), 40, 40, 0.995)
    found = task_interval(scores, labels, np.arange(80))
    assert found.estimate + 1.96 * found.se > 1
    assert (found.low, found.high) == logit_interval(
        found.estimate, found.se, float(stats.norm.isf(0.025))
    )
    assert found.low < found.estimate < found.high < 1
    assert found.method.endswith("on the logit")


def test_few_positives_take_students_t() -> None:
    scores, labels = draw(np.random.default_rng(1), 12, 140, 0.8)
    found = task_interval(scores, labels, np.arange(152))
    wide = logit_interval(found.estimate, found.se, 1.959964)
    assert found.low < wide[0] and found.high > wide[1]
    # The positives dominate the variance, so df is near theirs.
    arm = np.log(found.high / (1 - found.high)) - np.log(found.estimate / (1 - found.estimate))
    critical = arm * found.estimate * (1 - found.estimate) / found.se
    assert stats.t.isf(0.025, 60) < critical < stats.t.isf(0.025, 10.5)
    assert found.flags == ("few_positives",)
    assert found.method.endswith("t on the logit")


def test_patients_count_not_their_studies() -> None:
    scores, labels = draw(np.random.default_rng(2), 60, 60, 0.8)
    found = task_interval(np.repeat(scores, 4), np.repeat(labels, 4), np.repeat(np.arange(120), 4))
    once = task_interval(scores, labels, np.arange(120))
    assert (found.n, found.n_patients) == (480, 120)
    # Copies of a study hold no information.
    assert found.se == pytest.approx(once.se, rel=1e-12)
    twenty = task_interval(scores, labels, np.r_[np.arange(60) // 3, np.arange(60, 120)])
    assert twenty.flags == ("few_positives",)


@pytest.mark.parametrize(("n_pos", "n_neg"), [(3, 7), (20, 20), (5, 200)])
@pytest.mark.parametrize("area", [0.0, 0.5, 0.9, 1.0])
def test_score_bounds_lie_z_standard_errors_away(area: float, n_pos: int, n_neg: int) -> None:
    low, high = score_interval(area, n_pos, n_neg)
    assert 0 <= low <= area <= high <= 1 and low < high
    for bound in (low, high):
        if bound in (0.0, 1.0):
            continue
        # Hanley and McNeil's Q1 and Q2, both counts replaced by their mean.
        q1, q2 = bound / (2 - bound), 2 * bound**2 / (1 + bound)
        mean = (n_pos + n_neg) / 2 - 1
        spread = bound * (1 - bound) + mean * (q1 - bound**2) + mean * (q2 - bound**2)
        assert abs(area - bound) == pytest.approx(
            1.959964 * np.sqrt(spread / (n_pos * n_neg)), rel=1e-5
        )


def test_perfect_separation_is_not_certainty() -> None:
    labels = np.repeat([0.0, 1.0], 8)
    found = task_interval(np.arange(16.0), labels, np.arange(16))
    assert found.estimate == found.high == 1.0
    assert 0.6 < found.low < 0.9 and found.se > 0
    assert "no_variance" in found.flags and "Newcombe" in found.method
    clustered = task_interval(np.arange(16.0), labels, np.arange(16) // 2)
    assert clustered.low < found.low
    constant = task_interval(np.zeros(16), labels, np.arange(16))
    assert constant.low < 0.3 and constant.high > 0.7


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


def test_macro_takes_the_t_of_its_scarcest_task() -> None:
    scores, labels = draw(np.random.default_rng(7), 90, 110, 0.8)
    rare = labels.copy()
    rare[8:90] = np.nan
    truth = np.stack([labels, rare], axis=1)
    parts, macro = intervals(np.stack([scores, scores], axis=1), truth, np.arange(200), [0, 1])

    def critical(part: Interval) -> float:
        arm = np.log(part.high / (1 - part.high)) - np.log(part.estimate / (1 - part.estimate))
        return float(arm * part.estimate * (1 - part.estimate) / part.se)

    arm = parts[0].high - parts[0].estimate
    assert arm / parts[0].se == pytest.approx(1.959964, abs=1e-5)
    assert critical(macro) == pytest.approx(critical(parts[1]), rel=1e-9) and critical(macro) > 2
    assert macro.flags == ("few_positives",)


def test_macro_with_perfect_and_single_class_tasks() -> None:
    scores, labels = draw(np.random.default_rng(5), 40, 60, 0.8)
    perfect = labels + 0.0
    both = np.stack([scores, perfect], axis=1)
    truth = np.stack([labels, labels], axis=1)
    parts, macro = intervals(both, truth, np.arange(100), [0, 1])
    assert macro.se**2 == pytest.approx((parts[0].se ** 2 + parts[1].se ** 2) / 4, rel=1e-12)
    _, whole = intervals(both[:, [1, 1]], truth, np.arange(100), [0, 1])
    assert whole.estimate == whole.high == 1.0
    assert whole.low == pytest.approx(parts[1].low)
    truth[:, 1] = 0
    parts, macro = intervals(both, truth, np.arange(100), [0, 1])
    assert np.isnan(macro.estimate) and macro.flags == ("single_class",)
    assert macro.n_pos == 0 and parts[0].estimate > 0.5
    with pytest.raises(UserError, match="at least one task"):
        intervals(both, truth, np.arange(100), [])


@pytest.mark.parametrize(
    ("n_pos", "n_neg", "area"),
    [
        (5, 50, 0.9),
        (10, 50, 0.97),
        (12, 12, 0.9),
        (60, 180, 0.85),
        (60, 60, 0.8),
    ],
)
def test_coverage(n_pos: int, n_neg: int, area: float) -> None:
    rng = np.random.default_rng(6)
    hits = 0
    for _ in range(2000):
        found = task_interval(*draw(rng, n_pos, n_neg, area), np.arange(n_pos + n_neg))
        hits += found.low <= area <= found.high
    assert 0.93 < hits / 2000 < 0.995
