from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfergrid.planning.grid import Point, Slice, expand, slice_of
from transfergrid.runtime.errors import UserError

NONE: dict[str, list[Any]] = {
    "datasets": [],
    "architectures": [],
    "pretrainings": [],
    "truncations": [],
    "protocols": [],
    "seeds": [],
    "folds": [],
}


def block(**changes: Any) -> dict[str, Any]:
    base = {
        "datasets": ["d"],
        "architectures": ["a", "b"],
        "pretrainings": ["random", "imagenet"],
        "truncations": [0, 1],
        "protocols": ["p"],
        "seeds": [0, 1, 2],
        "folds": None,
        "exclude": [],
        "include": [],
    }
    return {**base, **changes}


def study(*blocks: dict[str, Any], **only: list[Any]) -> dict[str, Any]:
    datasets = {"e": {"folds": {"k": 3}}, "f": {"folds": {"k": 2}}}
    return {"datasets": datasets, "grid": list(blocks), "only": {**NONE, **only}}


words = st.lists(st.sampled_from("abcd"), min_size=1, unique=True)
numbers = st.lists(st.integers(0, 3), min_size=1, unique=True)


@given(st.tuples(words, words, words, numbers, words, numbers))
def test_a_block_is_the_cross_product(axes: tuple[list[Any], ...]) -> None:
    names = ["datasets", "architectures", "pretrainings", "truncations", "protocols", "seeds"]
    points = expand(study(block(**dict(zip(names, axes, strict=True)))), "s")
    assert points == [Point(*values) for values in itertools.product(*axes)]


def test_blocks_that_overlap_give_each_point_once() -> None:
    points = expand(study(block(), block(architectures=["b", "c"])), "s")
    assert len(points) == len(set(points)) == 3 * 2 * 2 * 3


def test_exclude_removes_what_agrees_in_every_named_axis() -> None:
    points = expand(study(block(exclude=[{"architecture": "a", "truncation": 1}])), "s")
    assert len(points) == 24 - 6
    assert not [p for p in points if p.architecture == "a" and p.truncation == 1]
    with pytest.raises(UserError, match=r"grid\[0\].exclude .*'z'.* matches no cell"):
        expand(study(block(exclude=[{"architecture": "z"}])), "s")


def test_include_adds_after_exclude_and_fills_other_axes() -> None:
    added = {"architecture": "c", "pretraining": "random", "truncation": 3}
    points = expand(study(block(include=[added])), "s")
    extra = [p for p in points if p.architecture == "c"]
    assert extra == [Point("d", "c", "random", 3, "p", seed) for seed in (0, 1, 2)]


def test_only_slices_and_takes_text_for_numbers() -> None:
    points = expand(study(block(), seeds=["1"], architectures=["a"]), "s")
    assert {(p.seed, p.architecture) for p in points} == {(1, "a")}
    with pytest.raises(UserError, match=r"only.seeds names '9', which no cell has.* 0, 1, 2"):
        expand(study(block(), seeds=[9]), "s")


def test_a_value_that_another_part_of_the_grid_has_is_no_mistake() -> None:
    cuts = study(block(), block(architectures=["c"], truncations=[0, 2]), architectures=["a", "c"])
    points = expand({**cuts, "only": {**cuts["only"], "truncations": [1, 2]}}, "s")
    assert {(p.architecture, p.truncation) for p in points} == {("a", 1), ("c", 2)}
    assert (
        expand({**cuts, "only": {**cuts["only"], "architectures": ["b"], "truncations": [2]}}, "s")
        == []
    )


def test_a_slice_knows_what_it_leaves_out() -> None:
    whole = study(block())
    assert slice_of(whole, "s") is None
    assert slice_of({**whole, "only": {**NONE, "seeds": ["0", "1", "2"]}}, "s") is None
    part = {**whole, "only": {**NONE, "architectures": ["b"], "seeds": [1, 2]}}
    assert slice_of(part, "s") == Slice(24, 8, {"architectures": ["a"], "seeds": [0]})
