"""Hashes name every result: their values may never change."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfergrid.runtime import hashing

SOURCE = Path(hashing.__file__).parents[2]

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
)
values = st.recursive(
    scalars | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def reordered(value):
    """Return the same value with the keys of every dictionary in reversed order."""
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(value)}
    if isinstance(value, list):
        return [reordered(item) for item in value]
    return value


def test_published_values_of_sha256():
    # FIPS 180-2, appendix B.
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert hashing.sha256_text("abc") == abc
    assert hashing.sha256_text("") == (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )


def test_text_is_hashed_as_utf8():
    assert hashing.sha256_text("é×") == hashlib.sha256(b"\xc3\xa9\xc3\x97").hexdigest()


@pytest.mark.parametrize("size", [0, 1, 65_536, 1_000_003])
def test_a_file_is_hashed_by_its_bytes(tmp_path, size):
    data = bytes(i % 251 for i in range(size))
    (tmp_path / "a").write_bytes(data)
    assert hashing.sha256_file(tmp_path / "a") == hashlib.sha256(data).hexdigest()


def test_canonical_json_has_one_form():
    value = {"b": [1, 1.0, True, None], "a": {"é": "×", "c": 1e-3}}
    assert (
        hashing.canonical_json(value) == '{"a":{"c":0.001,"\\u00e9":"\\u00d7"},"b":[1,1,true,null]}'
    )


@given(values)
def test_canonical_json_ignores_the_order_of_keys_and_can_be_read_back(value):
    text = hashing.canonical_json(value)
    assert hashing.canonical_json(reordered(value)) == text
    assert json.loads(text) == value
    assert hashing.canonical_json(json.loads(text)) == text
    assert text.isascii()


@given(values, values)
def test_different_values_have_different_texts(one, other):
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (hashing.canonical_json(one) == hashing.canonical_json(other)) == same


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_json_lacks_are_refused(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        hashing.canonical_json({"a": [value]})


@pytest.mark.parametrize("value", [{"a", "b"}, Path("a"), b"a"])
def test_values_without_one_form_are_refused(value):
    with pytest.raises(TypeError):
        hashing.canonical_json(value)


def test_golden_short_hash():
    # A change here renames every cell that anybody has trained.
    assert hashing.short_hash({"seed": 0, "dataset": "phantom"}) == "741d4b43"
    assert hashing.short_hash({"dataset": "phantom", "seed": 0}, digits=12) == "741d4b43da87"


def test_golden_seeds():
    # A change here changes every result.
    assert hashing.seeded("cell", 0, "order") == 2651921874181823361
    assert hashing.seeded() == 8203414616412130826


@given(st.lists(st.text() | st.integers(), max_size=4))
def test_seeds_fit_every_generator(words):
    assert 0 <= hashing.seeded(*words) < 2**63


def test_seeds_fill_their_range():
    seeds = [hashing.seeded("x", i) for i in range(2000)]
    assert len(set(seeds)) == 2000
    for bit in range(63):
        ones = sum(seed >> bit & 1 for seed in seeds)
        assert 850 < ones < 1150, f"bit {bit} is set in {ones} of 2000 seeds"


def test_words_are_told_apart():
    seeds = {hashing.seeded(*words) for words in [("a", "b"), ("ab",), ("b", "a"), ("a", "b", "")]}
    assert len(seeds) == 4


def test_no_hash_depends_on_the_process():
    program = (
        "from transfergrid.runtime import hashing as h;"
        "print(h.seeded('a', 1), h.short_hash({'b': 1, 'a': [2]}))"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONPATH": str(SOURCE), "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert seen == {f"{hashing.seeded('a', 1)} {hashing.short_hash({'a': [2], 'b': 1})}\n"}
