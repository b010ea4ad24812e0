from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from unit.similarity.drawn import related, uneven

from transfergrid.runtime.errors import UserError
from transfergrid.similarity.factor import Factor
from transfergrid.similarity.jackknife import interval, jackknife, patient_groups
from transfergrid.similarity.measures import MEASURES, compare


@pytest.fixture()
def patients() -> NDArray[np.int64]:
    counts = np.random.default_rng(0).integers(1, 6, 60)
    return np.repeat(np.arange(60), counts)


@pytest.mark.parametrize("rows_per_direction", [1, 10])
def test_replicates_are_those_of_activations_without_the_rows(
    patients: NDArray[np.int64], rows_per_direction: int
) -> None:
    rng = np.random.default_rng(1)
    x = uneven(rng, len(patients), 30)
    x[:, 4], x[:, 6] = 0.1, x[:, 5]
    y = related(rng, x, 22)
    activations = [x, y, np.ones((len(patients), 3))]
    factors = [Factor.of(one, rows_per_direction) for one in activations]
    group = patient_groups(patients, rng, 8)
    pairs = [(0, 1), (1, 0), (0, 0), (2, 1)]
    found = jackknife(factors, pairs, group)
    assert found.shape == (4, len(MEASURES), 8)
    for number, (left, right) in enumerate(pairs):
        for g in range(8):
            rest = [as_many(factors[i], activations[i], group != g) for i in (left, right)]
            np.testing.assert_allclose(
                found[number, :, g], list(compare(*rest).values()), atol=1e-9, equal_nan=True
            )
    np.testing.assert_array_equal(
        jackknife(factors, pairs, group, ["cka", "svcca"]), found[:, [4, 1]]
    )


@pytest.mark.parametrize("steep", [1.0, 1e-6])
def test_replicates_of_wide_layers_are_those_of_activations_without_the_rows(
    patients: NDArray[np.int64], steep: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # More channels than rows: few directions are kept, and found without the others. Where even
    # these differ in size by far, squares would not tell them apart.
    rng = np.random.default_rng(6)
    rows = len(patients)
    few = rng.normal(size=(rows, 12)) * steep ** (np.arange(12) / 11)
    x, y = (
        few @ rng.normal(size=(12, channels)) + 0.1 * steep * rng.normal(size=(rows, channels))
        for channels in (300, 260)
    )
    factors = [Factor.of(x), Factor.of(y)]
    assert all(one.spectrum.cut and one.spectrum.rank == rows - 1 for one in factors)
    group = patient_groups(patients, rng, 4)
    with monkeypatch.context() as patch:
        if steep == 1:
            patch.delattr("transfergrid.similarity.jackknife._all")
        found = jackknife(factors, [(0, 1)], group)[0]
    for g in range(4):
        rest = [as_many(*one, group != g) for one in zip(factors, (x, y), strict=True)]
        np.testing.assert_allclose(found[:, g], list(compare(*rest).values()), atol=1e-9)


def as_many(whole: Factor, activation: NDArray[np.float64], rest: NDArray[np.bool_]) -> Factor:
    """Take the rest of an activation apart, with as many directions kept as of the whole."""
    found = Factor.of(activation[rest], 1)
    kept = min(whole.spectrum.kept, found.spectrum.rank)
    return replace(found, spectrum=replace(found.spectrum, kept=kept))


def test_a_direction_of_one_group_alone_is_gone_without_it() -> None:
    rng = np.random.default_rng(2)
    group = np.arange(80) % 4
    x, y = rng.normal(size=(80, 5)), rng.normal(size=(80, 3))
    x[:, 2] = np.where(group == 3, rng.normal(size=80), 0.0)
    found = jackknife([Factor.of(x, 1), Factor.of(y, 1)], [(0, 1)], group)[0, :, 3]
    rest = group != 3
    expected = compare(Factor.of(x[rest], 1), Factor.of(y[rest], 1))
    np.testing.assert_allclose(found, list(expected.values()), atol=1e-9)


def test_many_pairs_are_those_of_few(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    factors = [Factor.of(rng.normal(size=(60, 4))) for _ in range(3)]
    pairs = [(0, 1), (0, 2), (1, 2)]
    whole = jackknife(factors, pairs, np.arange(60) % 5)
    monkeypatch.setattr("transfergrid.similarity.jackknife.IN_MEMORY", 20)
    np.testing.assert_array_equal(jackknife(factors, pairs, np.arange(60) % 5), whole)


def test_groups_have_whole_patients_and_about_as_many_rows() -> None:
    rng = np.random.default_rng(4)
    patients = rng.permutation(np.repeat(np.arange(200), rng.geometric(0.3, 200)))
    group = patient_groups(patients, rng)
    assert set(group) == set(range(20))
    for patient in range(200):
        assert len(set(group[patients == patient])) == 1
    rows = np.bincount(group)
    assert rows.max() - rows.min() <= np.bincount(patients).max()
    assert len(set(patient_groups(np.arange(7), rng))) == 7
    with pytest.raises(UserError, match="two at least"):
        patient_groups(np.zeros(5), rng)


def test_the_interval_of_a_mean_would_be_that_of_the_t_test() -> None:
    # Of a mean over groups the jackknife has a closed form: the variance of groups' means over G.
    rng = np.random.default_rng(5)
    values = 0.01 * rng.normal(size=10) + 0.2
    replicates = (values.sum() - values) / 9
    found = interval("cka_debiased", float(values.mean()), replicates)
    assert found.se == pytest.approx(stats.sem(values), rel=1e-12)
    expected = stats.t.interval(0.95, 9, values.mean(), stats.sem(values))
    assert (found.low, found.high) == pytest.approx(expected, abs=2e-4)


def test_intervals_stay_within_what_measures_can_be() -> None:
    wide = np.array([0.1, 0.9, 0.5, 0.3])
    assert interval("mean_cca", 0.3, wide).low == 0
    assert interval("cka_debiased", 0.3, wide).low < -0.5
    assert interval("mean_cca", 0.95, wide).high < 1
    same = interval("mean_cca", 1.0, np.ones(5))
    assert (same.se, same.low, same.high) == (0, 1, 1)
    missing = interval("cka", 0.5, [0.5, float("nan")])
    assert np.isnan([missing.se, missing.low, missing.high]).all()


def test_intervals_hold_what_samples_have_on_average() -> None:
    # Few groups, so that Student's t and the normal distribution differ, and channels enough that
    # patients drawn with replacement look far more similar than they are.
    rng, samples = np.random.default_rng(7), 240
    turn = np.linalg.qr(rng.normal(size=(12, 12)))[0]
    values, bounds, normal = [], [], []
    for _ in range(samples):
        patient = np.repeat(np.arange(60), 1 + rng.poisson(1, 60))

        def films(patient: NDArray[np.int64] = patient) -> NDArray[np.float64]:
            of_patient = rng.normal(size=(60, 12))[patient]
            return (of_patient + rng.normal(size=of_patient.shape)) * 0.9 ** np.arange(12)

        both = films()
        factors = [Factor.of(both + 0.6 * films(), 1), Factor.of((both + 0.6 * films()) @ turn, 1)]
        whole = compare(*factors)
        left_out = jackknife(factors, [(0, 1)], patient_groups(patient, rng, 5))[0]
        found = [interval(name, whole[name], r) for name, r in zip(MEASURES, left_out, strict=True)]
        values.append(list(whole.values()))
        bounds.append([(one.low, one.high) for one in found])
        normal.append([1.96 * one.se for one in found])
    mean = np.mean(values, axis=0)
    low, high = np.moveaxis(np.array(bounds), 2, 0)
    held = ((low <= mean) & (mean <= high)).mean(axis=0)
    assert 0.93 < held.mean() < 0.98 and ((held > 0.9) & (held < 0.995)).all(), held
    # What would hold it too rarely is told apart by as many samples.
    assert (np.abs(values - mean) < normal).mean() < 0.92
