"""The pooled estimate of folds, against scikit-learn, sums written out, and the fold itself."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from transfergrid.metrics.influence import degrees_of_freedom
from transfergrid.metrics.scoring import Cases, Parts, Scorer
from transfergrid.planning.metrics import built_in
from transfergrid.statistics.pooled import Pooled, pool

TASKS = ("edema", "fracture", "mass")


def scorer(name: str = "auroc") -> Scorer:
    return Scorer.of(built_in(name))


def cases(seed: int, patients: Sequence[int], shift: float = 1.0, films: int = 2) -> Cases:
    """Draw films of patients with three tasks, some labels of which are not known."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(patients, films)
    labels = (rng.random((len(patient), 3)) < 0.4).astype(np.float32)
    labels[:2], labels[2:4] = 1, 0  # both classes are there
    labels[rng.random(labels.shape) < 0.1] = np.nan
    labels[:2], labels[-2:] = 1, 0
    scores = 1 / (1 + np.exp(-(shift * np.nan_to_num(labels) + rng.normal(size=labels.shape))))
    return Cases(scores, labels, np.array([f"p{i:03d}" for i in patient]), TASKS, TASKS[:2])


def cut(k: int, each: int = 12) -> dict[str, Cases]:
    return {str(f): cases(f, range(f * each, (f + 1) * each), 1 + f / k) for f in range(k)}


def pooled(folds: dict[str, Cases], name: str = "auroc") -> Pooled:
    return pool({fold: scorer(name).parts(one) for fold, one in folds.items()})


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(6, 30), st.integers(1, 3))
def test_one_fold_is_itself_to_the_last_bit(seed: int, patients: int, films: int) -> None:
    one = cases(seed, range(patients), films=films)
    expected, found = scorer().influence(one), pooled({"0": one}).influence
    assert found.estimate == expected.estimate
    assert np.array_equal(found.values, expected.values)
    assert np.array_equal(found.patients, expected.patients)
    assert found.groups is not None and expected.groups is not None
    assert np.array_equal(found.groups, expected.groups)


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 6), st.integers(8, 16))
def test_the_variance_is_the_sum_of_the_folds_over_k_squared(k: int, each: int) -> None:
    folds = cut(k, each)
    alone = [scorer().influence(one) for one in folds.values()]
    found = pooled(folds)
    assert found.influence.estimate == pytest.approx(np.mean([one.estimate for one in alone]))
    variances = [(one.values**2).sum() for one in alone]
    assert (found.influence.values**2).sum() == pytest.approx(np.sum(variances) / k**2)
    assert found.left_out == {}
    # Any order of the folds, the same numbers.
    turned = pooled(dict(reversed(folds.items()))).influence
    assert turned.estimate == pytest.approx(found.influence.estimate, abs=1e-15)
    np.testing.assert_allclose(turned.values, found.influence.values, atol=1e-15)


def test_the_mean_of_scikit_learns_areas_and_never_the_area_of_all_scores() -> None:
    folds = cut(5)
    # Another scale a fold, as two models may have: ranked together, their scores mix.
    folds = {
        fold: replace(one, probabilities=one.probabilities * 0.2 + int(fold) / 5 * 0.8)
        for fold, one in folds.items()
    }
    areas = np.zeros((5, 2))
    for f, one in enumerate(folds.values()):
        for t in range(2):
            known = ~np.isnan(one.labels[:, t])
            areas[f, t] = roc_auc_score(one.labels[known, t], one.probabilities[known, t])
    found = pooled(folds)
    np.testing.assert_allclose(found.estimates, areas.mean(axis=0), atol=1e-14)
    assert found.influence.estimate == pytest.approx(areas.mean(), abs=1e-14)


def test_the_error_is_that_of_a_jackknife_over_patients() -> None:
    folds = cut(3, each=40)
    found = pooled(folds).influence
    leave_one_out = []
    for patient in found.patients:
        left = {
            fold: replace(
                one,
                **{
                    name: getattr(one, name)[one.patient_id != patient]
                    for name in ("probabilities", "labels", "patient_id")
                },
            )
            for fold, one in folds.items()
        }
        leave_one_out.append(pooled(left).influence.estimate)
    n = len(found.patients)
    jackknife = (n - 1) / n * np.sum((np.array(leave_one_out) - np.mean(leave_one_out)) ** 2)
    assert (found.values**2).sum() == pytest.approx(jackknife, rel=0.1)


def test_a_fold_without_a_class_is_left_out_of_that_task_and_named() -> None:
    folds = cut(4)
    torn = folds["2"].labels.copy()
    torn[:, 0] = np.where(np.isnan(torn[:, 0]), np.nan, 0)
    folds["2"] = replace(folds["2"], labels=torn)
    found = pooled(folds)
    assert found.left_out == {"edema": ("2",)}
    alone = {fold: scorer().parts(one).estimates for fold, one in folds.items()}
    edema = np.mean([alone[fold][0] for fold in ("0", "1", "3")])
    fracture = np.mean([alone[fold][1] for fold in folds])
    np.testing.assert_allclose(found.estimates, [edema, fracture], atol=1e-15)
    assert found.influence.estimate == pytest.approx((edema + fracture) / 2, abs=1e-15)
    # Its patients still count for the other task: with a third of the weight for edema, a quarter
    # for fracture, their contributions are written out here.
    other = pool({"2": scorer().parts(replace(folds["2"], score_tasks=("fracture",)))}).influence
    own = np.isin(found.influence.patients, folds["2"].patient_id)
    np.testing.assert_allclose(found.influence.values[own], other.values / 4 / 2, atol=1e-15)


def test_a_fold_without_any_task_counts_no_patient_and_no_study() -> None:
    folds = {fold: replace(one, score_tasks=("edema",)) for fold, one in cut(3).items()}
    whole = pooled(folds)
    folds["1"] = replace(folds["1"], labels=np.where(np.isnan(folds["1"].labels), np.nan, 0))
    found = pooled(folds)
    groups, before = found.influence.groups, whole.influence.groups
    assert groups is not None and before is not None
    gone = np.isin(found.influence.patients, folds["1"].patient_id)
    assert (groups[gone] == -1).all() and (found.influence.values[gone] == 0).all()
    assert (groups[~gone] >= 0).sum() == (before[~gone] >= 0).sum()
    assert found.n_studies == sum(
        int((~np.isnan(folds[fold].labels[:, 0])).sum()) for fold in ("0", "2")
    )


def test_a_class_of_one_patient_is_left_out_unless_no_fold_has_more() -> None:
    folds = {fold: replace(one, score_tasks=("edema",)) for fold, one in cut(3).items()}

    def with_one_positive(one: Cases) -> Cases:
        labels = np.where(np.isnan(one.labels), np.nan, 0)
        labels[0] = 1
        return replace(one, labels=labels)

    some = pooled({**folds, "0": with_one_positive(folds["0"])})
    assert some.left_out == {"edema": ("0",)}
    assert np.isfinite(some.influence.values).all()
    every = pooled({fold: with_one_positive(one) for fold, one in folds.items()})
    assert every.left_out == {}
    assert np.isfinite(every.influence.estimate) and np.isnan(every.influence.values).any()


def test_a_task_that_no_fold_can_score_is_nan_as_in_one_split() -> None:
    folds = {
        fold: replace(one, labels=np.where(np.arange(3) == 0, 0, one.labels))
        for fold, one in cut(3).items()
    }
    found = pooled(folds)
    assert np.isnan(found.estimates[0]) and np.isfinite(found.estimates[1])
    assert np.isnan(found.influence.estimate)
    assert found.left_out == {}


def test_a_patient_of_two_folds_is_one_patient() -> None:
    folds = {"0": cases(0, range(10)), "1": cases(1, range(5, 15))}
    alone = [scorer().influence(one) for one in folds.values()]
    found = pooled(folds).influence
    assert len(found.patients) == 15
    for patient, value in zip(found.patients, found.values, strict=True):
        parts = [one.values[one.patients == patient].sum() for one in alone]
        assert value == pytest.approx(sum(parts) / 2, abs=1e-15)


def test_classes_keep_their_degrees_of_freedom_fold_by_fold() -> None:
    folds = {fold: replace(one, score_tasks=("edema",)) for fold, one in cut(4, 20).items()}
    found = pooled(folds).influence
    shares = []
    for one in folds.values():
        alone = scorer().influence(one)
        assert alone.groups is not None
        for group in set(alone.groups.tolist()) - {-1}:
            own = (alone.values[alone.groups == group] ** 2).sum() / 16
            shares.append((own, max(int((alone.groups == group).sum()) - 1, 1)))
    expected = sum(v for v, _ in shares) ** 2 / sum(v**2 / df for v, df in shares)
    assert degrees_of_freedom(found.values, found.groups) == pytest.approx(expected)


def test_a_metric_of_whole_cases() -> None:
    rng = np.random.default_rng(3)

    def parts(fold: int) -> Parts:
        labels = np.eye(3)[rng.integers(3, size=20)]
        labels[0] = np.nan
        ids = np.array([f"p{fold}{i}" for i in range(20)])
        values = np.where(np.isnan(labels[:, 0]), 0.0, rng.normal(size=20) / 20)
        return Parts(("",), np.array([0.5 + fold / 10]), values[None], ids, labels)

    found = pool({str(fold): parts(fold) for fold in range(2)})
    assert found.tasks == ("",)
    assert found.influence.estimate == pytest.approx(0.55)
    assert found.n_studies == 38
    assert found.influence.groups is not None
    assert (found.influence.groups == -1).sum() == 2


def test_a_run_without_a_result_keeps_its_patients() -> None:
    found = pooled(cut(3)).without_result()
    assert np.isnan(found.influence.estimate) and np.isnan(found.influence.values).all()
    assert np.isnan(found.estimates).all()
    assert np.array_equal(found.influence.patients, pooled(cut(3)).influence.patients)


@pytest.mark.parametrize("k", [2, 5])
def test_a_difference_of_pooled_runs_is_the_mean_of_the_folds_differences(k: int) -> None:
    arms = [
        cut(k),
        {f: replace(c, probabilities=c.probabilities**2 % 0.3) for f, c in cut(k).items()},
    ]
    a, b = (pooled(arm).influence for arm in arms)
    by_fold = [
        scorer().influence(arms[0][fold]).estimate - scorer().influence(arms[1][fold]).estimate
        for fold in arms[0]
    ]
    assert a.estimate - b.estimate == pytest.approx(np.mean(by_fold), abs=1e-15)
    assert all(itertools.starmap(np.array_equal, [(a.patients, b.patients), (a.groups, b.groups)]))
