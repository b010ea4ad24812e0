"""Distances of outlines against all pairs of pixels, and against scipy's map of distances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from numpy.typing import NDArray
from scipy import ndimage
from unit.metrics import masks

from transfergrid.metrics.surfaces import measure_surfaces, outline, surface_distances
from transfergrid.runtime.errors import UserError

SPACING = (0.8, 0.143)


def blob(seed: int, px: int = 64) -> NDArray[np.bool_]:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(px, px)), 4)
    found: NDArray[np.bool_] = noise > 0.05
    return found


@settings(max_examples=60)
@given(st.data(), nps.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=7))
def test_outlines_and_distances_are_those_of_all_pairs(
    data: st.DataObject, shape: tuple[int, int]
) -> None:
    predicted = data.draw(nps.arrays(np.uint8, shape, elements=st.integers(0, 1)))
    truth = data.draw(nps.arrays(np.uint8, shape, elements=st.integers(0, 1)))
    spacing = data.draw(st.sampled_from([None, SPACING]))
    steps = spacing or (1.0, 1.0)
    tolerances = (0.0, 1.0, 1.7)
    found = measure_surfaces(predicted, truth, tolerances, spacing)
    edges = [masks.outline(predicted), masks.outline(truth)]
    assert [found.predicted, found.true] == list(map(len, edges))
    assert np.argwhere(outline(truth == 1)).tolist() == list(map(list, edges[1]))
    corners = [(row, column) for row in range(shape[0]) for column in range(shape[1])]
    farthest = max(
        np.hypot((a[0] - b[0]) * steps[0], (a[1] - b[1]) * steps[1])
        for a in corners
        for b in corners
    )
    assert float(found.diagonal) == pytest.approx(farthest)
    assert found.unit == ("px" if spacing is None else "mm")
    if not all(edges):
        assert np.isnan(found.hd95) and not found.near_true.any()
        return
    ways = masks.distances(predicted, truth, steps), masks.distances(truth, predicted, steps)
    assert float(found.hd95) == pytest.approx(max(masks.percentile(way, 0.95) for way in ways))
    assert found.hd95 <= found.diagonal + 1e-9
    near = found.near_predicted, found.near_true
    for way, counted in zip(ways, near, strict=True):
        assert counted.tolist() == [sum(d <= limit for d in way) for limit in tolerances]


@pytest.mark.parametrize("spacing", [(1.0, 1.0), SPACING])
def test_distances_are_those_of_scipys_map(spacing: tuple[float, float]) -> None:
    predicted, truth = blob(0), blob(1)
    found = surface_distances(predicted, truth, spacing)
    edges = [outline(predicted), outline(truth)]
    for way, here, there in zip(found, edges, edges[::-1], strict=True):
        expected = ndimage.distance_transform_edt(~there, sampling=spacing)[here]
        assert way == pytest.approx(expected)


def test_the_percentile_of_each_direction_is_taken_before_the_larger_one() -> None:
    # Of the predicted outline more than a twentieth is stray; of both outlines together, less.
    truth = np.zeros((40, 80), dtype=np.uint8)
    truth[10:30, 4:64] = 1
    predicted = truth.copy()
    predicted[0, 68:80] = 1
    found = measure_surfaces(predicted, truth)
    ways = masks.distances(predicted, truth, (1, 1)), masks.distances(truth, predicted, (1, 1))
    assert float(found.hd95) == pytest.approx(max(masks.percentile(way, 0.95) for way in ways))
    assert float(found.hd95) > masks.percentile([*ways[0], *ways[1]], 0.95) + 5


@pytest.mark.parametrize("steps", [5, 20])
def test_a_mask_is_as_far_away_whatever_the_direction(steps: int) -> None:
    disc = np.hypot(*(np.indices((96, 96)) - 48)) <= 15
    shifts = ((steps, 0), (-steps, 0), (0, steps), (0, -steps))
    found = [float(measure_surfaces(np.roll(disc, shift, (0, 1)), disc).hd95) for shift in shifts]
    assert found == pytest.approx([found[0]] * 4) and 0.8 * steps < found[0] <= steps


def test_films_have_spacings_of_their_own() -> None:
    both = np.stack([blob(0), blob(0)])[:, None], np.stack([blob(1), blob(1)])[:, None]
    steps = np.array([[1.0, 1.0], [0.5, 0.5]])[:, None]
    found = measure_surfaces(*both, tolerances=(2.0,), spacing=steps)
    assert found.hd95[1, 0] == pytest.approx(found.hd95[0, 0] / 2)
    assert found.diagonal[1, 0] == pytest.approx(found.diagonal[0, 0] / 2)
    assert found.near_true[1, 0, 0] > found.near_true[0, 0, 0]


def test_unknown_pixels_belong_to_neither_outline() -> None:
    truth, predicted = blob(1).astype(np.uint8), blob(0).astype(np.uint8)
    truth[:, 40:] = 255
    found = measure_surfaces(predicted, truth, (1.0,))
    cut = measure_surfaces(predicted[:, :40], truth[:, :40], (1.0,))
    assert found.hd95 == cut.hd95 and found.near_true == cut.near_true


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"tolerances": (-1.0,)}, "tolerances are"),
        ({"tolerances": (float("nan"),)}, "tolerances are"),
        ({"spacing": [[1.0, 1.0], [np.nan, np.nan]]}, "1 of 2 masks is not known"),
        ({"spacing": (0.0, 1.0)}, "greater than 0"),
        ({"spacing": (1.0, 1.0, 1.0)}, "two distances are needed"),
    ],
)
def test_what_has_no_distance_is_refused(asked, said) -> None:
    pair = np.ones((2, 2, 3, 3), dtype=np.uint8)
    with pytest.raises(UserError, match=said):
        measure_surfaces(pair[0], pair[1], **asked)
