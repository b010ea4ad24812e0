from __future__ import annotations

from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from transfergrid.runtime.errors import UserError
from transfergrid.training.subsets import rows_of_patients, training_rows


@given(st.integers(4, 300), st.floats(0.01, 1), st.floats(0.01, 1), st.integers(0, 5), st.data())
def test_smaller_subsets_are_parts_of_larger_ones(
    images: int, one: float, two: float, seed: int, data: st.DataObject
) -> None:
    small, large = (training_rows(images, share, None, seed) for share in sorted((one, two)))
    assert set(small) <= set(large)
    assert len(large) == max(2, round(max(one, two) * images))
    assert np.all(np.diff(large) > 0)
    assert large[-1] < images
    count = data.draw(st.integers(2, images))
    counted = training_rows(images, 1.0, count, seed)
    assert len(counted) == count
    assert set(counted) <= set(large) or set(large) <= set(counted)


def test_the_whole_split_is_every_row_and_seeds_choose_differently() -> None:
    assert np.array_equal(training_rows(50, 1.0, None, 0), np.arange(50))
    assert set(training_rows(50, 0.5, None, 0)) != set(training_rows(50, 0.5, None, 1))


def test_a_subset_is_drawn_from_the_whole_split() -> None:
    chosen = np.concatenate([training_rows(100, 0.1, None, seed) for seed in range(100)])
    # 1000 draws: the mean of uniform rows lies within five standard errors of 49.5.
    assert abs(chosen.mean() - 49.5) < 5 * 28.9 / np.sqrt(1000)


@pytest.mark.parametrize(("images", "count"), [(10, 11), (1, None), (10, 1), (0, None)])
def test_a_subset_that_cannot_be_is_refused(images: int, count: int | None) -> None:
    with pytest.raises(UserError, match="train_count"):
        training_rows(images, 1.0, count, 0)


def films(patients: int, seed: int = 0) -> NDArray[np.str_]:
    """Patients of films in no order: patient i has 1 to 4 of them."""
    names = np.repeat([f"p{i}" for i in range(patients)], [1 + i % 4 for i in range(patients)])
    return np.random.default_rng(seed).permutation(names)


@given(st.integers(3, 60), st.integers(0, 5), st.data())
def test_patients_are_drawn_whole_and_fewer_are_part_of_more(
    patients: int, seed: int, data: st.DataObject
) -> None:
    names = films(patients)
    small, large = sorted(data.draw(st.integers(2, patients)) for _ in range(2))
    few, many = (rows_of_patients(names, count, seed) for count in (small, large))
    assert set(few) <= set(many)
    assert len(np.unique(names[few])) == small and len(np.unique(names[many])) == large
    for rows in (few, many):
        assert np.array_equal(rows, np.flatnonzero(np.isin(names, names[rows])))


def test_which_patients_depends_on_the_seed_and_their_names_alone() -> None:
    names = films(40)
    drawn = {seed: set(names[rows_of_patients(names, 10, seed)]) for seed in range(5)}
    assert len(set(map(frozenset, drawn.values()))) == 5
    # Other films, another order, other patients beside them: those who stay keep their places.
    other = np.concatenate([films(40, seed=1), np.repeat("extra", 3)])
    found = set(other[rows_of_patients(other, 11, 0)])
    assert found - {"extra"} <= set(names[rows_of_patients(names, 11, 0)])
    digests = {name: sha256(f"subset 0 {name}".encode()).hexdigest() for name in set(names)}
    assert drawn[0] == set(sorted(digests, key=digests.__getitem__)[:10])


def test_every_patient_is_as_likely() -> None:
    names = films(20)
    drawn = [names[rows_of_patients(names, 5, seed)] for seed in range(400)]
    times = np.array([sum(f"p{i}" in one for one in drawn) for i in range(20)])
    # Of Binomial(400, 1/4), whose SD is 8.7: no patient is five of these away.
    assert np.all(abs(times - 100) < 5 * 8.7)


@pytest.mark.parametrize(
    ("patients", "count", "told"),
    [(20, 21, "has 20 patients and the recipe asks for 21"), (1, 1, "leaves 1 training image")],
)
def test_patients_who_are_not_there_are_refused(patients: int, count: int, told: str) -> None:
    with pytest.raises(UserError, match=told):
        rows_of_patients(films(patients), count, 0)
