from __future__ import annotations

import contextlib

import numpy as np
import pytest
from datasets.chexpert.make import run_lengths
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from transfergrid.data.rle import decode

DISC = (
    "TUPm1a0kW28I6K4L4L4M2N2M4M2N2N2N2N2N2O0O2N2N2O0O2O0O2O0O2O000O2O00000O2O0000000000000000"
    "0000000000000001N1000001N10001N101N101N101N2N2N101N2N2N2N2N2N3L3N2N3L4L4L5J7H`QdU4"
)


def nothing() -> np.ndarray:
    return np.zeros((7, 9), dtype=bool)


def box() -> np.ndarray:
    mask = nothing()
    mask[2:5, 3:8] = True
    return mask


def disc() -> np.ndarray:
    y, x = np.mgrid[:2320, :2828]
    return (y - 1500) ** 2 + (x - 900) ** 2 < 40**2


@pytest.mark.parametrize(
    ("counts", "mask"),
    [
        # Written by pycocotools 2.0.11.
        ("o1", nothing()),
        ("0o1", ~nothing()),
        ("g03400000005", box()),
        ("1110010O0010O0010O0010O000", np.indices((6, 5)).sum(0) % 2 == 1),
        (DISC, disc()),
    ],
)
def test_masks_are_those_that_pycocotools_wrote(counts: str, mask: np.ndarray) -> None:
    assert np.array_equal(decode(counts, (mask.shape[0], mask.shape[1])), mask)
    assert run_lengths(mask) == counts  # with which the made-up files of other tests are written


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=70)))
def test_any_mask_comes_back(mask: np.ndarray) -> None:
    assert np.array_equal(decode(run_lengths(mask), (mask.shape[0], mask.shape[1])), mask)


@given(st.text(st.characters(min_codepoint=40, max_codepoint=125), max_size=12))
def test_a_broken_string_is_refused_or_fills_the_mask(counts: str) -> None:
    with contextlib.suppress(ValueError):
        assert decode(counts, (5, 4)).shape == (5, 4)


@pytest.mark.parametrize(("counts", "size"), [("o1", (7, 8)), ("0o", (7, 9)), ("", (1, 1))])
def test_runs_that_do_not_fill_the_mask_are_refused(counts: str, size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="do not fill"):
        decode(counts, size)
