from __future__ import annotations

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transfergrid.evaluation import selection
from transfergrid.evaluation.selection import Selection, parse_selection, select
from transfergrid.runtime.errors import UserError

STEP = [10, 20, 30, 40]
MEAN = [0.7, 0.9, 0.9, 0.6]
TASK = np.array([[0.8, 0.5], [0.7, 0.6], [0.6, 0.9], [0.9, 0.8]])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("last", Selection("last", None, False)),
        ("best", Selection("best", 1, False)),
        ("top10", Selection("top10", 10, False)),
        ("top3_per_task", Selection("top3_per_task", 3, True)),
    ],
)
def test_names_describe_themselves(name: str, expected: Selection) -> None:
    assert parse_selection(name) == expected


@pytest.mark.parametrize("name", ["top", "top0", "top-1", "Best", "top3_per_class", "last5", ""])
def test_another_name_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="'top<k>_per_task'"):
        parse_selection(name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("last", [[3], [3]]),
        ("best", [[1], [1]]),  # a tie goes to the earlier checkpoint
        ("top2", [[1, 2], [1, 2]]),
        ("top3", [[0, 1, 2], [0, 1, 2]]),
        ("top9", [[0, 1, 2, 3]] * 2),
        ("top1_per_task", [[3], [2]]),
        ("top2_per_task", [[0, 3], [2, 3]]),
    ],
)
def test_choices(name: str, expected: list[list[int]]) -> None:
    np.testing.assert_array_equal(select(name, STEP, MEAN, TASK), expected)


def test_nothing_but_validation_goes_in() -> None:
    assert list(inspect.signature(select).parameters) == [
        "name",
        "step",
        "valid_score",
        "valid_task_score",
        "sign",
    ]
    source = inspect.getsource(selection)
    assert "transfergrid.data" not in source and "transfergrid.evaluation" not in source


def test_last_is_the_latest_step_in_any_order() -> None:
    np.testing.assert_array_equal(select("last", [30, 40, 10], [0.5] * 3, TASK[:3]), [[1], [1]])


def test_of_a_loss_the_lowest_is_best() -> None:
    np.testing.assert_array_equal(
        select("best", STEP, [0.4, 0.2, np.nan, 0.2], TASK, -1.0), [[1]] * 2
    )
    falling = select("top1_per_task", STEP, [0.5] * 4, TASK, -1.0)[:, 0]
    np.testing.assert_array_equal(falling, np.nanargmin(TASK, axis=0))


def test_an_unscored_checkpoint_is_not_chosen_by_score() -> None:
    scores = [np.nan, 0.5, np.nan, 0.4]
    np.testing.assert_array_equal(select("top3", STEP, scores, TASK), [[1, 3], [1, 3]])
    np.testing.assert_array_equal(select("last", STEP, [np.nan] * 4, TASK), [[3], [3]])
    with pytest.raises(UserError, match="single class in the validation split"):
        select("best", STEP, [np.nan] * 4, TASK)


def test_a_task_without_scores_follows_the_mean() -> None:
    tasks = TASK.copy()
    tasks[:, 1] = np.nan
    np.testing.assert_array_equal(select("top1_per_task", STEP, MEAN, tasks), [[3], [1]])


def test_a_diverged_cell_has_nothing_to_choose() -> None:
    assert select("top3", [], [], np.zeros((0, 5))).shape == (5, 0)


def test_shapes_are_checked() -> None:
    with pytest.raises(UserError, match="one step, one score"):
        select("best", STEP, MEAN[:3], TASK)


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 8), min_size=1, max_size=12),
    st.integers(1, 14),
    st.randoms(use_true_random=False),
)
def test_top_k_is_the_k_best_whatever_the_order(scores: list[int], k: int, random: object) -> None:
    values = np.array(scores) / 10
    steps = np.arange(len(values))
    chosen = select(f"top{k}", steps, values, values[:, None])[0]
    assert len(chosen) == min(k, len(values))
    left = np.setdiff1d(steps, chosen)
    if left.size:
        assert values[chosen].min() >= values[left].max()
    order = np.array(random.sample(range(len(values)), len(values)))  # type: ignore[attr-defined]
    shuffled = select(f"top{k}", steps[order], values[order], values[order, None])[0]
    np.testing.assert_array_equal(np.sort(order[shuffled]), chosen)
