from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.training.tiny import make_spec

from transfergrid.planning.cell_names import place_of, taken_apart
from transfergrid.planning.naming import cell_name, name_of
from transfergrid.runtime.hashing import canonical_json

WORDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.]{0,12}", fullmatch=True)
SEEDS, FOLDS = st.integers(0, 2**32), st.none() | st.just(3)


@given(WORDS, WORDS, WORDS, st.integers(0, 99), WORDS, SEEDS, FOLDS)
def test_a_name_comes_apart_into_what_it_was_made_of(
    dataset: str, network: str, start: str, cut: int, recipe: str, seed: int, fold: int | None
) -> None:
    axes = {"dataset": dataset, "architecture": network, "pretraining": start, "truncation": cut}
    axes |= {"protocol": recipe, "seed": seed} | ({} if fold is None else {"fold": fold})
    name = name_of(axes, "0123abcd" * 8)
    found = taken_apart(name)
    assert found is not None
    assert (found.dataset, found.architecture) == (dataset, network)
    assert (found.truncation, found.protocol) == (cut, recipe)
    assert f"{place_of(name)}-0123abcd" == name


@pytest.mark.parametrize("name", ["", "x", ".tmp-a-b", "a-b-c-drop0-p-seed0-00zz00zz"])
def test_other_folders_are_no_cells(name: str) -> None:
    assert taken_apart(name) is None and place_of(name) == name


def test_a_cells_name_holds_its_axes_and_its_hash() -> None:
    spec = make_spec(seed=4)
    digest = hashlib.sha256(canonical_json(spec).encode()).hexdigest()
    assert cell_name(spec) == f"tiny-own-random-drop0-short-seed4-{digest[:8]}"
