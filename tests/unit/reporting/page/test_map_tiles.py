from __future__ import annotations

import base64
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from unit.reporting import fabricate
from unit.reporting.figures.test_cams import record

from transfergrid.evaluation.cam_record import empty_record, write_record
from transfergrid.reporting.page.map_tiles import map_tiles, outlined
from transfergrid.reporting.page.material import read_report
from transfergrid.reporting.page.page import render


def opened(picture: str) -> np.ndarray:
    head, _, code = picture.partition("base64,")
    assert head == "data:image/jpeg;"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(code))))


def test_a_tile_a_film_with_its_task_and_note(tmp_path: Path) -> None:
    made = record(4, films=2)
    write_record(tmp_path / "x.npz", made)
    tiles = map_tiles(tmp_path / "x.npz")
    assert [tile.film for tile in tiles] == made.film_image.tolist()
    assert [tile.task for tile in tiles] == made.film_task.tolist()
    assert tiles[0].note.startswith(f"p {made.film_probability[0]:.2f}")
    assert opened(tiles[0].picture).shape == (*made.film_pixels.shape[1:3], 3)


def test_heat_lies_where_the_map_is_high(tmp_path: Path) -> None:
    made = record(2, films=1)
    heat = np.zeros_like(made.film_map)
    heat[:, 0, 0] = 1
    dark = np.zeros_like(made.film_pixels)
    clean = replace(made, film_map=heat, film_pixels=dark, film_truth=made.film_truth & False)
    write_record(tmp_path / "x.npz", clean)
    shown = opened(map_tiles(tmp_path / "x.npz")[0].picture).sum(axis=2)
    half = shown.shape[0] // 2
    assert shown[:half, :half].mean() > 3 * shown[half:, half:].mean() + 10


def test_only_the_edge_of_the_true_region_is_drawn() -> None:
    made = record(2, films=1)
    truth = np.zeros_like(made.film_truth)
    truth[0, 2:7, 3:9] = True
    side = truth.shape[1:]
    drawn = outlined(np.zeros((*side, 3), np.uint8), replace(made, film_truth=truth), 0)
    edge = drawn.any(axis=2)
    expected = truth[0].copy()
    expected[3:6, 4:8] = False
    np.testing.assert_array_equal(edge, expected)


def test_no_file_and_no_maps(tmp_path: Path) -> None:
    assert map_tiles(tmp_path / "x.npz") == ()
    write_record(tmp_path / "x.npz", empty_record("diverged"))
    assert map_tiles(tmp_path / "x.npz") == ()


@pytest.mark.parametrize("asked", [True, False])
def test_maps_are_shown_where_the_study_asks(drawn_tree: fabricate.Tree, asked: bool) -> None:
    cell = drawn_tree.study["cells"][0]["cell"]
    path = drawn_tree.results / "demo" / "cams" / f"{cell}.npz"
    path.parent.mkdir(exist_ok=True)
    write_record(path, record(2, films=3))
    study = {**drawn_tree.study, "resolved": {**drawn_tree.study["resolved"]}}
    if asked:
        study["resolved"]["cams"] = {}
    html = render(read_report(study, drawn_tree.results, []))
    assert html.count('<img src="data:image/jpeg;base64,') == 3 * asked
