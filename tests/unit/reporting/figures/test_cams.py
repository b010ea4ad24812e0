from __future__ import annotations

import base64
import re
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from unit.reporting import fabricate

from transfergrid.evaluation.cam_record import CamRecord, empty_record, read_record, write_record
from transfergrid.planning.paths import PROJECT
from transfergrid.reporting.figures import cams, style
from transfergrid.reporting.figures.cams import MAX_ROWS, networks_of, shown_networks
from transfergrid.reporting.figures.data import FigureData, read_figure_data
from transfergrid.reporting.page.inline_svg import inline_svg
from transfergrid.reporting.tables.pointing import cams_table
from transfergrid.runtime.errors import UserError

PX = 40
TASKS = ["cardiomegaly", "edema"]


def record(size: int, films: int = 2, seed: int = 0) -> CamRecord:
    rng = np.random.default_rng(seed)
    truth = np.zeros((films, PX, PX), dtype=bool)
    truth[:, 10:25, 5:20] = True
    marks = 30
    numbers = {
        name: rng.random(marks).astype(np.float32)
        for name in ("iou", "blank", "random_hit", "random_iou")
    }
    names = np.array([f"image{i}" for i in range(marks)])
    return CamRecord(
        status="finished",
        method="CAM" if size > 1 else "Grad-CAM",
        step=12,
        film_image=names[:films],
        film_task=np.array(TASKS)[np.arange(films) % 2],
        film_pixels=rng.integers(0, 255, (films, PX, PX), dtype=np.uint8),
        film_truth=truth,
        film_map=rng.random((films, size, size)).astype(np.float16),
        film_peak=rng.integers(0, PX, (films, 2)),
        film_probability=np.linspace(0.2, 0.9, films, dtype=np.float32),
        mark_image=names,
        mark_patient=np.array([f"p{i // 2}" for i in range(marks)]),
        mark_task=np.array(TASKS)[np.arange(marks) % 2],
        hit=(rng.random(marks) < 0.6).astype(np.float32),
        map_px=np.array([size, size]),
        **numbers,
    )


@pytest.fixture(scope="module")
def study(drawn_tree: fabricate.Tree) -> dict[str, Any]:
    targets = [entry for entry in drawn_tree.study["cells"] if entry["role"] == "target"]
    return {**drawn_tree.study, "cams": [entry["cell"] for entry in targets]}


@pytest.fixture(scope="module")
def records(study: dict[str, Any]) -> dict[str, CamRecord]:
    entries = {entry["cell"]: entry for entry in study["cells"]}
    made = {
        cell: record(2 ** (entries[cell]["truncation"] + 1), seed=i)
        for i, cell in enumerate(study["cams"])
    }
    last = study["cams"][-1]
    return {**made, last: empty_record("diverged")}


@pytest.fixture(scope="module")
def data(
    study: dict[str, Any], records: dict[str, CamRecord], drawn_tree: fabricate.Tree
) -> FigureData:
    plain = read_figure_data(drawn_tree.study, drawn_tree.results)
    return replace(plain, cams=cams_table(study, records), maps=records)


def test_every_column_is_explained(study: dict[str, Any], records: dict[str, CamRecord]) -> None:
    page = (PROJECT / "docs" / "columns.md").read_text(encoding="utf-8")
    section = page.split("\n## cams.csv\n")[1].split("\n## ")[0]
    assert set(cams_table(study, records).columns) == set(re.findall(r"`(\w+)`", section)) - {
        "cams"
    }


def test_the_table_has_the_means_of_the_marks(
    study: dict[str, Any], records: dict[str, CamRecord]
) -> None:
    table = cams_table(study, records)
    assert len(table) == 2 * (len(records) - 1) + 1
    for row in table[table["task"] != ""].to_dict("records"):
        source = records[row["cell"]]
        mine = source.mark_task == row["task"]
        assert row["pointing"] == pytest.approx(source.hit[mine].mean())
        assert row["iou"] == pytest.approx(source.iou[mine].mean())
        assert row["blank"] == pytest.approx(source.blank[mine].mean())
        assert row["iou_random"] == pytest.approx(source.random_iou[mine].mean())
        assert (row["n"], row["n_patients"]) == (15, 15)
        assert row["pointing_low"] < row["pointing"] < row["pointing_high"]
        assert row["iou_low"] < row["iou"] < row["iou_high"]
        assert row["map_px"] in ("2x2", "4x4")
    gone = table[table["status"] == "diverged"].iloc[0]
    assert gone["n"] == 0
    assert np.isnan(gone["pointing"])


def test_whole_and_cut_networks_share_a_block_and_the_first_seed(data: FigureData) -> None:
    networks = networks_of(data)
    names = [network.name for network in networks]
    # Of four architectures two were truncated.
    assert len(names) == 4
    assert all("resnet18" in name or "lcnet_050" in name for name in names)
    assert all("seed 0" in name for name in names)
    assert all(list(network.records) == [0, 1] for network in networks)
    many = [replace(n, records={0: record(2, films=10)}) for n in networks]
    assert sum(n.films for n in shown_networks(many)) <= MAX_ROWS
    assert len(shown_networks([replace(many[0], records={0: record(2, films=99)})])) == 1


def test_panels_hold_films_maps_and_sizes(data: FigureData) -> None:
    with style.styled():
        svg = style.svg_text(cams.draw(data), "cams")
    with style.styled():
        assert svg == style.svg_text(cams.draw(data), "cams")
    for words in ("whole", "2 × 2 pixels", "4 × 4 pixels", "one block removed", "cardiomegaly"):
        assert words in svg
    pictures = re.findall(r"data:image/png;base64,\s*([A-Za-z0-9+/=\s]+)\"", svg)
    assert len(pictures) == 4 * 2 * 3  # networks, films, columns
    film = np.asarray(Image.open(BytesIO(base64.b64decode(pictures[0]))).convert("L"))
    source = next(iter(networks_of(data)[0].records.values()))
    assert film.shape == (PX, PX)
    # matplotlib flips an image whose origin is above.
    assert any(
        np.abs(turned.astype(int) - source.film_pixels[0]).max() <= 1
        for turned in (film, film[::-1])
    )
    assert "<image" in inline_svg(svg, "cams", "maps")


def test_a_picture_from_elsewhere_is_refused() -> None:
    svg = '<svg xmlns="http://www.w3.org/2000/svg"><image href="{}"/></svg>'
    for source in ("https://example.org/a.png", "data:image/svg+xml;base64,AAAA"):
        with pytest.raises(UserError, match="must stand alone"):
            inline_svg(svg.format(source), "x", "x")


def test_without_maps_there_is_no_such_figure(study: dict[str, Any], data: FigureData) -> None:
    assert not cams.lack(data)
    for nothing in ({}, {study["cams"][0]: empty_record("diverged")}):
        assert "No cell" in cams.lack(replace(data, maps=nothing))


def test_the_caption_states_n_intervals_method_and_who_is_left_out(
    study: dict[str, Any], data: FigureData
) -> None:
    text = cams.caption(data)
    for words in ("15 films", "15 patients", "95 %", "Otsu", "random maps", "first positive"):
        assert words in text
    assert f"Without maps: {study['cams'][-1]} (diverged)" in text
    blank = cams_table(study, {study["cams"][0]: empty_record("diverged")})
    assert cams.caption(replace(data, cams=blank))


def test_a_record_that_lacks_an_array_is_refused(tmp_path: Path) -> None:
    write_record(tmp_path / "a.npz", record(2))
    assert read_record(tmp_path / "a.npz").step == 12
    np.savez(tmp_path / "b.npz", status="finished")
    with pytest.raises(UserError, match="lacks method"):
        read_record(tmp_path / "b.npz")


def test_the_table_survives_csv(
    study: dict[str, Any], records: dict[str, CamRecord], tmp_path: Path
) -> None:
    table = cams_table(study, records)
    table.to_csv(tmp_path / "cams.csv", index=False)
    again = pd.read_csv(tmp_path / "cams.csv", keep_default_na=False, na_values=[""])
    assert (again["n"] == table["n"]).all()
