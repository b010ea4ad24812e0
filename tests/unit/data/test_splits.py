from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfergrid.data.splits import folds, random_split
from transfergrid.runtime.errors import UserError

GROUPS = st.lists(st.integers(0, 60), min_size=30, max_size=200).filter(lambda g: len(set(g)) > 12)
SHARES = st.fixed_dictionaries({"valid": st.floats(0.01, 0.4), "test": st.floats(0.01, 0.4)})


def parts_of(groups, split):
    return {part: set(groups[split == part]) for part in np.unique(split)}


@given(GROUPS, SHARES, st.integers(0, 5))
def test_no_group_is_torn_and_sizes_are_proportional(groups, shares, seed):
    groups = np.array(groups).astype(str)
    split = random_split(groups, shares, "train", np.random.default_rng(seed))
    parts = parts_of(groups, split)
    assert set(parts) == {"train", "valid", "test"}
    assert sum(map(len, parts.values())) == len(set(groups))
    for part, share in shares.items():
        assert len(parts[part]) == max(1, round(share * len(set(groups))))


@given(GROUPS, SHARES, st.integers(0, 5), st.randoms())
def test_a_split_depends_on_the_ids_and_not_on_row_order(groups, shares, seed, shuffler):
    groups = np.array(groups).astype(str)
    order = list(range(len(groups)))
    shuffler.shuffle(order)
    split = random_split(groups, shares, "train", np.random.default_rng(seed))
    again = random_split(groups[order], shares, "train", np.random.default_rng(seed))
    np.testing.assert_array_equal(split[order], again)


@given(GROUPS, st.floats(0.02, 0.9), st.floats(0.02, 0.9), st.integers(0, 5))
def test_a_larger_cut_contains_a_smaller_one(groups, one, other, seed):
    groups = np.array(groups)
    cuts = [
        random_split(groups, {"valid": share}, "train", np.random.default_rng(seed)) == "valid"
        for share in sorted((one, other))
    ]
    assert not (cuts[0] & ~cuts[1]).any()


@given(GROUPS, st.integers(2, 12), st.integers(0, 5))
def test_folds_cover_groups_evenly(groups, k, seed):
    groups = np.array(groups)
    fold = folds(groups, k, np.random.default_rng(seed))
    sizes = [len(set(groups[fold == i])) for i in range(k)]
    assert sum(sizes) == len(set(groups))
    assert max(sizes) - min(sizes) <= 1


def test_another_seed_gives_another_split():
    groups = np.arange(100)
    split, again, other = (
        random_split(groups, {"test": 0.5}, "train", np.random.default_rng(seed))
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(split, again)
    assert (split != other).any()
    fold = [folds(groups, 5, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(fold[0], fold[1])
    assert (fold[0] != fold[2]).any()


def test_every_group_is_drawn_equally_often():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(10), np.arange(1, 11))
    drawn = np.zeros(10)
    for _ in range(2000):
        drawn[np.unique(groups[random_split(groups, {"a": 0.3}, "b", rng) == "a"])] += 1
    # 600 +- 20.5 each; five standard errors.
    assert np.abs(drawn - 600).max() < 103


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 2.0])
def test_a_share_out_of_range_is_named(share):
    with pytest.raises(UserError, match=r"share of test is .*; choose one above 0"):
        random_split(np.arange(9), {"test": share}, "train", np.random.default_rng(0))


def test_too_few_groups_are_refused():
    with pytest.raises(UserError, match="2 patient"):
        random_split([1, 2, 2], {"valid": 0.3, "test": 0.3}, "train", np.random.default_rng(0))
    with pytest.raises(UserError, match="cannot make 4 folds"):
        folds([1, 2, 3, 3], 4, np.random.default_rng(0))
    with pytest.raises(UserError, match="cannot make 1 folds"):
        folds([1, 2, 3, 3], 1, np.random.default_rng(0))
