from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from transfergrid.data.mask_runs import FORMS, decode_runs

WRAPPED = " ".join(["9" * 18] * 18 + [str(2**64 - 18 * (10**18 - 1)), "10"])
"""Runs whose sum is 10 to those who count in 64 bits."""
MASKS = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=20))


def written(mask: np.ndarray, form: str) -> str | list[int]:
    """Write a mask pixel by pixel, as the definitions of the forms say."""
    pixels = mask.T.ravel().tolist()
    runs: list[list[int]] = []
    for number, inside in enumerate(pixels):
        if inside and number and pixels[number - 1]:
            runs[-1][1] += 1
        elif inside:
            runs.append([number, 1])
    if form == "coco":
        edges = [0, *(edge for start, length in runs for edge in (start, start + length))]
        return np.diff([*edges, len(pixels)]).tolist()
    if not runs:
        return "-1"
    if form == "relative":
        ends = [0, *(start + length for start, length in runs)]
        runs = [[start - end, length] for (start, length), end in zip(runs, ends, strict=False)]
    else:
        runs = [[start + 1, length] for start, length in runs]
    return " ".join(str(number) for run in runs for number in run)


@pytest.mark.parametrize("form", FORMS)
@given(mask=MASKS)
def test_any_mask_comes_back(form: str, mask: np.ndarray) -> None:
    size = (mask.shape[0], mask.shape[1])
    assert np.array_equal(decode_runs(written(mask, form), size, form), mask)


def test_the_three_forms_of_a_box() -> None:
    box = np.zeros((7, 9), bool)
    box[2:5, 3:8] = True
    forms = {
        "relative": "23 3 4 3 4 3 4 3 4 3",
        "absolute": "24 3 31 3 38 3 45 3 52 3",
    }
    for form, text in forms.items():
        assert np.array_equal(decode_runs(text, (7, 9), form), box)
    assert np.array_equal(decode_runs("g03400000005", (7, 9), "coco"), box)  # by pycocotools 2.0.11
    assert np.array_equal(decode_runs([23, 3, 4, 3, 4, 3, 4, 3, 4, 3, 9], (7, 9), "coco"), box)


def test_a_row_of_siims_is_one_region_of_neighbouring_columns() -> None:
    # The row that the competition's description shows, of a film of 1024 x 1024.
    row = "387620 23 996 33 986 43 977 51 968 58 962 65 956 70 952 74 949 76 946 79"
    mask = decode_runs(row, (1024, 1024), "relative")
    assert np.flatnonzero(mask.any(axis=0)).tolist() == list(range(378, 388))
    assert mask.sum(axis=0)[378:388].tolist() == [23, 33, 43, 51, 58, 65, 70, 74, 76, 79]
    tops = mask.argmax(axis=0)[378:388]
    assert tops[0] == 387620 - 378 * 1024
    assert (np.abs(np.diff(tops)) <= 5).all()
    with pytest.raises(ValueError, match="begins before the one before it ends"):
        decode_runs(row, (1024, 1024), "absolute")


@pytest.mark.parametrize(
    ("runs", "form", "match"),
    [
        ("60 4", "relative", "end at pixel 64, and the film has 7 x 9 = 63"),
        ("61 4", "absolute", "end at pixel 64"),
        ("0 3", "absolute", "its run 1 begins before the film's first pixel, which is number 1"),
        ("5 3 0 2", "absolute", "its run 2 begins before the film's first pixel"),
        ("5 3 2 2", "absolute", "its run 2 begins before the one before it ends"),
        ("5 0", "relative", "its run 1 has no pixel"),
        ("5 3 9 0", "absolute", "its run 2 has no pixel"),
        ("0 0", "absolute", "its run 1 has no pixel"),
        ("5 -3", "absolute", "holds '-3'; pairs"),
        ("5", "relative", "has 1 number; pairs of a start and a length are needed, or -1 alone"),
        ("5 3 9", "absolute", "has 3 numbers; pairs"),
        ("", "relative", "has 0 numbers"),
        ("5 3 -1", "relative", "holds '-1'"),
        ("5 three", "relative", "holds 'three'"),
        ("5 " + "9" * 30, "relative", "it holds 99999999999999999999, and no film has so many"),
        (WRAPPED, "relative", "it holds 999999999999999999, and no film has so many pixels"),
        ([60, 4], "coco", "do not fill 7 x 9"),
        ([70, -7], "coco", "do not fill 7 x 9"),
        ("o", "coco", "do not fill"),
        ("1 1", "column", "the form 'column' is none of relative, absolute, coco"),
    ],
)
def test_runs_that_do_not_fit_are_refused(runs: str, form: str, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        decode_runs(runs, (7, 9), form)


@given(st.text("0123456789 -", max_size=24), st.sampled_from(FORMS))
def test_any_text_is_a_mask_or_refused(text: str, form: str) -> None:
    with contextlib.suppress(ValueError):
        assert decode_runs(text, (5, 4), form).shape == (5, 4)
