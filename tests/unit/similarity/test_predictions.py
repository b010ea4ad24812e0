from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import cohen_kappa_score, jaccard_score

from transfergrid.runtime.errors import UserError
from transfergrid.similarity.agreement import Agreement
from transfergrid.similarity.predictions import AGREEMENTS, Answers, compare_answers


def drawn(
    seed: int, n: int = 200, tasks: int = 2
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Draw labels, two networks' rounded scores, and patients of one to three units."""
    rng = np.random.default_rng(seed)
    patient = np.sort(rng.integers(0, n // 2, n))
    labels = (rng.random((n, tasks)) < 0.4).astype(float)
    shared = rng.normal(size=(n // 2, tasks))[patient]
    one, other = (
        np.round(1 / (1 + np.exp(-(labels * 1.5 - 0.7 + shared + rng.normal(size=(n, tasks))))), 2)
        for _ in range(2)
    )
    return labels, one, other, patient


def multilabel(
    labels: np.ndarray, one: np.ndarray, other: np.ndarray, patient: np.ndarray
) -> tuple[list[dict[str, Agreement]], dict[str, Agreement]]:
    return compare_answers(
        Answers.multilabel(one, labels), Answers.multilabel(other, labels), patient
    )


def classes(
    seed: int, n: int = 200, k: int = 4
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    patient = np.sort(rng.integers(0, n // 2, n))
    labels = np.eye(k)[rng.integers(0, k, n)]
    shared = rng.normal(size=(n // 2, k))[patient]
    one, other = (labels + shared + rng.normal(size=(n, k)) for _ in range(2))
    return labels, one, other, patient


@given(st.integers(0, 1000))
@settings(max_examples=15)
def test_measures_of_labels_are_those_of_scikit_learn_and_scipy(seed: int) -> None:
    labels, one, other, patient = drawn(seed)
    labels[::7, 1] = np.nan
    each, mean = multilabel(labels, one, other, patient)
    for t, found in enumerate(each):
        known = ~np.isnan(labels[:, t])
        truth, left, right = labels[known, t], one[known, t], other[known, t]
        a, b = left > 0.5, right > 0.5
        assert found["agreement"].value == ((a == truth) == (b == truth)).mean()
        assert found["same_label"].value == (a == b).mean() == found["agreement"].value
        assert found["kappa"].value == pytest.approx(cohen_kappa_score(a, b), abs=1e-12)
        excess = cohen_kappa_score(a == truth, b == truth)
        assert found["excess_agreement"].value == pytest.approx(excess, abs=1e-12)
        assert found["rank_correlation"].value == pytest.approx(
            stats.spearmanr(left, right).statistic, abs=1e-12
        )
        assert found["error_overlap"].value == pytest.approx(
            jaccard_score(a != truth, b != truth), abs=1e-12
        )
        assert (found["agreement"].n, found["agreement"].patients) == (
            known.sum(),
            len(set(patient[known])),
        )
    for name in AGREEMENTS:
        for field in ("value", "baseline", "ceiling"):
            expected = np.mean([getattr(found[name], field) for found in each])
            assert getattr(mean[name], field) == pytest.approx(expected, abs=1e-12)
        assert mean[name].low < mean[name].value < mean[name].high


@given(st.integers(0, 1000))
@settings(max_examples=10)
def test_of_several_classes_wrong_answers_agree_and_labels_need_not(seed: int) -> None:
    labels, one, other, patient = classes(seed)
    (found,), mean = compare_answers(
        Answers.multiclass(one, labels), Answers.multiclass(other, labels), patient
    )
    truth, a, b = (scores.argmax(axis=1) for scores in (labels, one, other))
    assert found["agreement"].value == ((a == truth) == (b == truth)).mean()
    assert found["same_label"].value == (a == b).mean() < found["agreement"].value
    assert found["kappa"].value == pytest.approx(cohen_kappa_score(a, b), abs=1e-12)
    columns = [stats.spearmanr(one[:, c], other[:, c]).statistic for c in range(4)]
    assert found["rank_correlation"].value == pytest.approx(np.mean(columns), abs=1e-12)
    assert mean == found


@given(st.integers(0, 1000))
@settings(max_examples=15)
def test_values_lie_between_what_accuracies_allow(seed: int) -> None:
    labels, one, other, patient = drawn(seed, n=60, tasks=1)
    (found,), _ = multilabel(labels, one, other, patient)
    a, b = (((scores > 0.5) == labels).mean() for scores in (one, other))
    assert found["agreement"].baseline == pytest.approx(a * b + (1 - a) * (1 - b), abs=1e-12)
    assert found["agreement"].ceiling == pytest.approx(1 - abs(a - b), abs=1e-12)
    expected = (1 - a) * (1 - b) / ((1 - a) + (1 - b) - (1 - a) * (1 - b))
    assert found["error_overlap"].baseline == pytest.approx(expected, abs=1e-12)
    assert found["error_overlap"].ceiling == pytest.approx(min(1 - a, 1 - b) / max(1 - a, 1 - b))
    for one_measure in found.values():
        assert one_measure.value <= one_measure.ceiling + 1e-12
        assert one_measure.low <= one_measure.value <= one_measure.high


def test_the_baseline_is_what_independent_answers_give() -> None:
    rng = np.random.default_rng(0)
    n = 200_000
    labels = np.eye(3)[rng.integers(0, 3, n)]
    one, other = (weight * labels + rng.normal(size=(n, 3)) for weight in (0.3, 1.5))
    (found,), _ = compare_answers(
        Answers.multiclass(one, labels), Answers.multiclass(other, labels), np.arange(n)
    )
    for name in ("agreement", "error_overlap"):
        assert found[name].value == pytest.approx(found[name].baseline, abs=0.005)
    assert found["excess_agreement"].value == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("several", [False, True])
def test_spread_is_that_of_leaving_out_patients(several: bool) -> None:
    make = classes if several else drawn
    labels, one, other, patient = make(3, 400)
    answers = Answers.multiclass if several else Answers.multilabel

    def values(rows: np.ndarray) -> list[float]:
        _, mean = compare_answers(
            answers(one[rows], labels[rows]), answers(other[rows], labels[rows]), patient[rows]
        )
        return [mean[name].value for name in AGREEMENTS]

    different = np.unique(patient)
    left_out = np.array([values(patient != out) for out in different])
    g = len(different)
    expected = np.sqrt((g - 1) / g * ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0))
    _, mean = compare_answers(answers(one, labels), answers(other, labels), patient)
    t = stats.t.isf(0.025, g - 1)
    for name, se in zip(AGREEMENTS, expected, strict=True):
        found = mean[name]
        # Both forms of interval have about this width where values are far from their ends.
        assert (found.high - found.low) / (2 * t) == pytest.approx(se, rel=0.06), name


def test_answers_that_are_equal_are_one() -> None:
    labels, one, _, patient = drawn(4, tasks=1)
    (found,), _ = multilabel(labels, one, one, patient)
    for name in AGREEMENTS:
        assert found[name].value == pytest.approx(1) == found[name].ceiling
        assert found[name].high == 1 and "no_variance" in found[name].flags
    # That 200 equal answers say nothing of others is not hidden.
    assert 0.9 < found["agreement"].low < 1 and 0.8 < found["kappa"].low < 1


def test_few_errors_tell_little_of_how_many_coincide() -> None:
    # Thirty patients with one unit each; each network errs on three, never on the same.
    labels = np.ones((30, 1))
    one, other = np.full((30, 1), 0.9), np.full((30, 1), 0.9)
    one[:3], other[3:6] = 0.1, 0.1
    (found,), _ = multilabel(labels, one, other, np.arange(30))
    assert found["error_overlap"].value == 0 and found["error_overlap"].high > 0.4
    assert found["excess_agreement"].value < 0 and found["excess_agreement"].high > 0.4
    for name in ("error_overlap", "excess_agreement"):
        assert "few_patients" in found[name].flags
    assert found["agreement"].flags == ()


def test_intervals_hold_what_samples_have_on_average_where_few_err() -> None:
    rng, names = np.random.default_rng(8), ("error_overlap", "excess_agreement")
    values, bounds = [], []
    for _ in range(250):
        patient = np.repeat(np.arange(30), 1 + rng.poisson(2, 30))
        labels = (rng.random((30, 1)) < 0.4)[patient].astype(float)
        both = rng.normal(size=(len(patient), 1))
        one, other = (3 * (labels - 0.5) + (both + rng.normal(size=both.shape)) / 2**0.5
                      for _ in range(2))  # fmt: skip
        found = compare_answers(
            Answers.multilabel(one, labels, 0.0), Answers.multilabel(other, labels, 0.0), patient
        )[1]
        values.append([found[name].value for name in names])
        bounds.append([(found[name].low, found[name].high) for name in names])
    low, high = np.moveaxis(np.array(bounds), 2, 0)
    mean, known = np.nanmean(values, axis=0), ~np.isnan(low)
    held = ((low <= mean) & (mean <= high)).sum(axis=0) / known.sum(axis=0)
    assert (held > 0.9).all() and known.mean() > 0.9, (held, known.mean())


def test_what_has_no_value_is_nan_and_says_so() -> None:
    labels, _, _, patient = drawn(5, tasks=1)
    (found,), mean = multilabel(labels, labels, np.full(labels.shape, 0.9), patient)
    for name in ("rank_correlation",):
        assert np.isnan(found[name].value) and found[name].flags == ("undefined",)
    (found,), mean = multilabel(labels, labels, labels, patient)
    for name in ("error_overlap", "excess_agreement"):
        assert np.isnan(found[name].value) and found[name].flags == ("undefined",)
    assert np.isnan(mean["error_overlap"].value) and mean["kappa"].value == 1
    (found,), _ = multilabel(labels * np.nan, labels, labels, patient)
    assert all(np.isnan(one.value) and one.n == 0 for one in found.values())
    (found,), _ = multilabel(labels, labels, 1 - labels, np.zeros(len(labels)))
    assert found["kappa"].value == pytest.approx(-1, abs=0.2)
    assert np.isnan(found["agreement"].low) and found["agreement"].flags == ("no_variance",)


def test_other_units_and_nan_are_refused() -> None:
    labels, one, other, patient = drawn(6)
    fewer = labels.copy()
    fewer[0, 0] = np.nan
    with pytest.raises(UserError, match="other tasks or units"):
        compare_answers(Answers.multilabel(one, labels), Answers.multilabel(other, fewer), patient)
    with pytest.raises(UserError, match="same shape"):
        Answers.multilabel(one[:, :1], labels)
    with pytest.raises(UserError, match="diverged"):
        Answers.multilabel(one * np.nan, labels)


def test_the_threshold_is_of_each_task() -> None:
    labels, one, other, patient = drawn(7)
    two = [Answers.multilabel(scores, labels, [0.3, 0.5]) for scores in (one, other)]
    each, _ = compare_answers(*two, patient)
    plain, _ = multilabel(labels, one, other, patient)
    low = (one[:, 0] > 0.3) == (other[:, 0] > 0.3)
    assert each[0]["same_label"].value == low.mean() != plain[0]["same_label"].value
    assert each[1] == plain[1]
