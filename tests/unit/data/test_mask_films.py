"""Maps brought back from the cache's square to a film's own size, and how far pixels are apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from transfergrid.data.images import resize
from transfergrid.data.mask_coverage import Frame, resize_masks
from transfergrid.data.mask_films import enlarge, marked_at, spacing_in_square
from transfergrid.data.mask_spacing import spacing_of
from transfergrid.runtime.errors import UserError

SIZES = [(45, 61), (61, 45), (97, 33), (20, 27), (32, 32)]


@pytest.mark.parametrize("size", SIZES)
def test_a_stretched_map_comes_back_as_pillow_resizes_it(size: tuple[int, int]) -> None:
    maps = np.random.default_rng(0).random((2, 32, 32), np.float32)
    found = enlarge(maps, Frame.of(size, 32, "stretch"))
    assert found.shape == (2, *size) and found.dtype == np.float32
    for own, one in zip(found, maps, strict=True):
        want = Image.fromarray(one).resize(size[::-1], Image.Resampling.BILINEAR)
        np.testing.assert_allclose(own, np.asarray(want), atol=1e-5)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("rule", ["pad", "crop", "stretch"])
def test_a_film_comes_back_to_where_it_was(size: tuple[int, int], rule: str) -> None:
    # A film that grows to the right and downwards, so that every shift, turn and flip shows.
    rows, columns = (np.arange(length) for length in size)
    film = np.add.outer(2.0 * rows, columns).astype(np.uint8)
    square = resize(film, 32, rule, "grey").astype(np.float32)
    found = enlarge(square[None], Frame.of(size, 32, rule))[0]
    cut = [(length - min(size)) / 2 if rule == "crop" else 0 for length in size]
    kept = [
        (axis + 0.5 >= gap) & (axis + 0.5 <= length - gap)
        for axis, gap, length in zip((rows, columns), cut, size, strict=True)
    ]
    inside = np.logical_and.outer(*kept)
    assert not found[~inside].any()
    # Averaging flattens the edges, by half of a pixel of the square and of the film's own.
    step = max(size) / 32
    middle = inside.copy()
    for axis, (gap, length) in enumerate(zip(cut, size, strict=True)):
        place = np.arange(length)
        off = (place < gap + 2 * step + 2) | (place > length - gap - 2 * step - 3)
        middle[(off, slice(None)) if axis == 0 else (slice(None), off)] = False
    assert middle.any()
    off_by = (found - film)[middle]
    # Levels are rounded twice on the way; half of a pixel's shift would be half a level or a whole.
    assert np.abs(off_by).max() < 1.1 and abs(off_by.mean()) < 0.3


@pytest.mark.parametrize("rule", ["pad", "crop", "stretch"])
def test_padding_never_comes_into_a_film(rule: str) -> None:
    frame = Frame.of((45, 61), 32, rule)
    square = np.full((1, 32, 32), 1.0, np.float32)
    rows, columns = (slice(a.offset, a.offset + a.count) for a in (frame.rows, frame.columns))
    square[0] = 9
    square[0, rows, columns] = 1
    found = enlarge(square, frame)[0]
    assert set(np.unique(found.round(5)).tolist()) == ({0.0, 1.0} if rule == "crop" else {1.0})
    assert (found == 0).sum() == (45 * 16 if rule == "crop" else 0)


def test_a_mask_comes_back_nearly_as_it_was() -> None:
    rows, columns = np.mgrid[:150, :211]
    mask = (np.hypot((rows - 90) / 1.5, columns - 60) < 30).astype(np.uint8)
    for rule in ("pad", "stretch"):
        square = resize_masks(mask[None], 64, rule)
        back = enlarge(square.astype(np.float32), Frame.of(mask.shape, 64, rule))[0] > 0.5
        both = np.count_nonzero(back & (mask == 1))
        assert 2 * both / (np.count_nonzero(back) + np.count_nonzero(mask)) > 0.97
        centres = [np.argwhere(one).mean(axis=0) for one in (back, mask)]
        assert np.abs(centres[0] - centres[1]).max() < 0.3


def test_of_exclusive_structures_the_most_probable_one_is_marked() -> None:
    probability = np.array([[0.5, 0.45, 0.2, 0.0], [0.2, 0.46, 0.1, 0.51]], np.float32)
    found = marked_at(probability[:, None], exclusive=True)[:, 0]
    assert found.tolist() == [[True, False, False, False], [False, True, False, True]]
    assert marked_at(probability[:, None], exclusive=False)[:, 0].tolist() == [
        [False] * 4,
        [False, False, False, True],
    ]


def test_pixels_of_a_square_are_as_far_apart_as_what_they_show() -> None:
    spacing = np.array([0.5, 0.25])
    stretched = spacing_in_square(spacing, Frame.of((64, 96), 32, "stretch"))
    assert stretched.tolist() == [1.0, 0.75]
    cropped = spacing_in_square(spacing, Frame.of((64, 96), 32, "crop"))
    assert cropped.tolist() == [1.0, 0.5]
    padded = spacing_in_square(spacing, Frame.of((64, 96), 32, "pad"))
    np.testing.assert_allclose(padded, [0.5 * 64 / 21, 0.75])  # 64 rows become 21, for 21.3


def test_spacing_is_a_number_or_stands_in_the_table(tmp_path: Path) -> None:
    table = "image;row_mm;column_mm\na.png;0.5;0.25\nb.png;1;2\n"
    (tmp_path / "films.csv").write_text(table)
    films: dict[str, Any] = {"table": "films.csv", "separator": ";"}
    assert spacing_of(0.2, films, tmp_path, 2).tolist() == [[0.2, 0.2]] * 2
    assert spacing_of([0.2, 0.1], {}, None, 2).tolist() == [[0.2, 0.1]] * 2
    both = spacing_of(["row_mm", "column_mm"], films, tmp_path, 2)
    assert both.tolist() == [[0.5, 0.25], [1.0, 2.0]]
    assert spacing_of("row_mm", films, tmp_path, 2).tolist() == [[0.5, 0.5], [1.0, 1.0]]
    with pytest.raises(UserError, match="has no column 'mm'"):
        spacing_of("mm", films, tmp_path, 2)
    with pytest.raises(UserError, match="the data set has no table; write numbers"):
        spacing_of("mm", {}, None, 2)


@pytest.mark.parametrize(("cell", "told"), [("", "nothing"), ("0", "'0'"), ("x", "'x'")])
def test_the_spacing_of_every_film_must_be_known(cell: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "films.csv").write_text(f"image,mm\na.png,0.5\nb.png,{cell}\n")
    with pytest.raises(UserError, match=rf"{told} in column 'mm' of row 2, .* above 0 for every"):
        spacing_of("mm", {"table": "films.csv"}, tmp_path, 2)
