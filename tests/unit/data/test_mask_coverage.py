from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from transfergrid.catalog.mask_pixels import NO, UNKNOWN, YES
from transfergrid.data.images import RULES, resize
from transfergrid.data.mask_coverage import Frame, presence, resize_masks
from transfergrid.metrics import overlap

SIZES = st.tuples(st.integers(1, 9), st.integers(1, 9))


def shares(mask: np.ndarray, px: int, rule: str) -> list[list[Fraction]]:
    """Return the covered share of each pixel of the square, pixel by pixel, in fractions."""
    height, width = mask.shape
    side = min(height, width)
    tall, wide = (px, px)
    top = left = Fraction(0)
    kept_high, kept_wide = height, width
    if rule == "crop":
        top, left = Fraction(height - side, 2), Fraction(width - side, 2)
        kept_high = kept_wide = side
    if rule == "pad":
        scale = px / max(height, width)
        tall, wide = max(1, round(height * scale)), max(1, round(width * scale))
    found = [[Fraction(0)] * px for _ in range(px)]
    for row in range(tall):
        for column in range(wide):
            y = [top + Fraction(kept_high * (row + i), tall) for i in (0, 1)]
            x = [left + Fraction(kept_wide * (column + i), wide) for i in (0, 1)]
            area = sum(
                max(Fraction(0), min(y[1], i + 1) - max(y[0], i))
                * max(Fraction(0), min(x[1], j + 1) - max(x[0], j))
                for i, j in zip(*np.nonzero(mask), strict=True)
            )
            place = row + (px - tall) // 2, column + (px - wide) // 2
            found[place[0]][place[1]] = Fraction(area) / ((y[1] - y[0]) * (x[1] - x[0]))
    return found


@settings(max_examples=60)
@given(st.data(), SIZES, st.integers(1, 7), st.sampled_from(RULES))
def test_a_pixel_is_what_covers_half_of_it(
    data: st.DataObject, size: tuple[int, int], px: int, rule: str
) -> None:
    masks = data.draw(arrays(np.uint8, (2, *size), elements=st.sampled_from([NO, YES, UNKNOWN])))
    found = resize_masks(masks, px, rule)
    for mask, made in zip(masks, found, strict=True):
        yes, unknown = (np.array(shares(mask == value, px, rule)) for value in (YES, UNKNOWN))
        half = Fraction(1, 2)
        want = np.where(unknown > half, UNKNOWN, np.where(yes >= half, YES, NO))
        assert np.array_equal(made, want)


@settings(max_examples=60)
@given(st.data(), SIZES, st.integers(1, 7), st.sampled_from(RULES))
def test_exclusive_structures_share_out_the_pixels(
    data: st.DataObject, size: tuple[int, int], px: int, rule: str
) -> None:
    classes = data.draw(arrays(np.uint8, size, elements=st.sampled_from([0, 1, 2, 3, UNKNOWN])))
    masks = np.stack([classes == label for label in (1, 2, 3)]).astype(np.uint8)
    masks[:, classes == UNKNOWN] = UNKNOWN
    found = resize_masks(masks, px, rule, exclusive=True)
    of = [np.array(shares(classes == label, px, rule)) for label in (1, 2, 3, UNKNOWN)]
    for y, x in np.ndindex(px, px):
        *yes, unknown = (share[y, x] for share in of)
        rest = 1 - sum(yes) - unknown
        if unknown > Fraction(1, 2):
            want = [UNKNOWN] * 3
        else:
            best = yes.index(max(yes))
            one = max(yes) > 0 and max(yes) >= rest
            want = [YES if one and label == best else NO for label in range(3)]
        assert found[:, y, x].tolist() == want


@settings(max_examples=60)
@given(
    st.data(),
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.integers(1, 40),
    st.sampled_from(RULES),
)
def test_masks_lie_where_the_film_lies(
    data: st.DataObject, size: tuple[int, int], px: int, rule: str
) -> None:
    top, left = (data.draw(st.integers(0, side - 1)) for side in size)
    mask = np.zeros(size, np.uint8)
    mask[top : top + 30, left : left + 20] = YES
    film = resize(mask * np.uint8(255), px, rule, "grey")
    made = resize_masks(mask[None], px, rule)[0]
    assert (made[film == 255] == YES).all()
    assert (made[film == 0] == NO).all()


def test_a_tie_belongs_to_the_structure_at_any_size() -> None:
    # Of six columns made five, the third has .6 of a column on either side.
    left = np.zeros((1, 6, 6), np.uint8)
    left[:, :, :3] = YES
    for masks in (left, YES - left):
        assert (resize_masks(masks, 5, "stretch")[0, :, 2] == YES).all()
    half = np.zeros((3, 1, 2), np.uint8)
    half[0, 0, 0], half[1, 0, 0] = YES, UNKNOWN
    assert resize_masks(half, 1, "stretch").ravel().tolist() == [YES, NO, NO]


def test_overlapping_structures_may_not_exclude_each_other() -> None:
    both = np.full((2, 3, 3), YES, np.uint8)
    with pytest.raises(ValueError, match="belongs to two structures"):
        resize_masks(both, 2, "crop", exclusive=True)
    both[0] = UNKNOWN
    with pytest.raises(ValueError, match="unknown of one structure"):
        resize_masks(both, 2, "crop", exclusive=True)
    assert resize_masks(both, 2, "crop").tolist() == [[[UNKNOWN] * 2] * 2, [[YES] * 2] * 2]


def test_values_of_no_mask_are_refused() -> None:
    with pytest.raises(ValueError, match="has the value 128; there are 0, 1 and 255"):
        resize_masks(np.full((1, 2, 2), 128, np.uint8), 2, "crop")
    with pytest.raises(ValueError, match="no frame of"):
        Frame.of((3, 3), 2, "nearest")


def test_a_structure_that_a_smaller_mask_loses_is_still_present() -> None:
    masks = np.zeros((3, 64, 64), np.uint8)
    masks[0, 5, 5] = YES
    masks[2] = UNKNOWN
    assert not (resize_masks(masks, 8, "crop")[0] == YES).any()
    assert np.array_equal(presence(masks), np.float32([1, 0, np.nan]), equal_nan=True)


def test_what_is_unknown_to_a_mask_is_unknown_to_its_metrics() -> None:
    assert UNKNOWN == overlap.UNKNOWN
