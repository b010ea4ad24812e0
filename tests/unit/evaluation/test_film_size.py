"""Masks compared at the films' own size, odd and not square, and in millimetres."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets.montgomery.make import FOLDER, make
from PIL import Image
from scipy.spatial.distance import cdist
from unit.training.disc_cells import PX, scored_cell

from transfergrid.data.mask_films import FilmMasks
from transfergrid.data.store import open_split
from transfergrid.evaluation.ensemble import read_ensemble
from transfergrid.evaluation.ensembles import Ensembles
from transfergrid.evaluation.marked import marked_films
from transfergrid.evaluation.outline_files import Compared
from transfergrid.evaluation.outlines import Measurement, compare_masks, record_outlines
from transfergrid.metrics.mask_record import MaskRecord
from transfergrid.metrics.surfaces import outline
from transfergrid.planning.paths import cache_directory
from transfergrid.planning.planned import plan_study
from transfergrid.planning.study import load_study
from transfergrid.runtime.errors import UserError

SIDES = (45, 61)
SPACING = [0.5, 0.25]
MADE_FROM = {"selections": ["top2"], "tolerances": [1.5]}


def films(path: Path, shift: int = 0) -> None:
    """Write an .npz of bright discs in films that are not square."""
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    rows, columns = np.mgrid[: SIDES[0], : SIDES[1]]
    for split, count in (("train", 24), ("val", 8), ("test", 6)):
        centres = rng.integers(14, 31, (count, 2, 1, 1))
        masks = np.hypot(rows - centres[:, 0], columns - centres[:, 1] - shift) < 12
        noise = rng.integers(0, 60, masks.shape)
        arrays[f"{split}_images"] = (noise + 150 * masks).astype(np.uint8)
        arrays[f"{split}_masks"] = masks.astype(np.uint8)
        arrays[f"{split}_patient_id"] = np.array([f"{split}-p{i // 2}" for i in range(count)])
        arrays[f"{split}_image_id"] = np.array([f"{split}{i}" for i in range(count)])
    np.savez(path, **arrays)


@pytest.fixture(scope="module")
def cell(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str, Path]:
    """Return a scored cell's specification, its name and the results."""
    results = tmp_path_factory.mktemp("films")
    films(results / "discs.npz")
    declared = {"kind": "mask_npz", "root": str(results / "discs.npz"), "structures": ["disc"]}
    declared |= {"image_px": PX, "resize": "stretch"}
    spec, name = scored_cell(results, datasets={"discs": declared})
    return spec, name, results


def compared(cell: tuple[dict[str, Any], str, Path], **how: Any) -> Compared:
    spec, _, results = cell
    note = {"declaration": spec["dataset"], "root": str(results / "discs.npz")}
    return compare_masks(Measurement.planned({**MADE_FROM, **how}, spec, results, note))


def test_of_an_npz_only_what_is_tested_on_is_read(
    cell: tuple[dict[str, Any], str, Path], tmp_path: Path
) -> None:
    spec, _, results = cell
    with np.load(results / "discs.npz") as stored:
        kept = {name: array for name, array in stored.items() if name.startswith("test_")}
    # Arrays that would have to be unpickled cannot be read at all.
    lost = {name: np.array([None]) for name in ("train_images", "train_masks", "val_images")}
    np.savez(tmp_path / "tested.npz", **kept, **lost)
    films = FilmMasks.of(spec["dataset"], tmp_path / "tested.npz")
    assert list(films.row) == kept["test_image_id"].tolist()
    own = films.masks.read(films.row["test3"])
    assert np.array_equal(own[0], kept["test_masks"][3])
    with pytest.raises(UserError, match="cannot be read"):
        FilmMasks.of({**spec["dataset"], "folds": {"k": 3}}, tmp_path / "tested.npz")


def farthest(marked: np.ndarray, true: np.ndarray, spacing: tuple[float, float]) -> float:
    """Return HD95 of two masks from all distances."""
    points = [np.argwhere(outline(one)) * spacing for one in (marked, true)]
    apart = cdist(*points)
    return max(float(np.percentile(apart.min(axis=axis), 95)) for axis in (0, 1))


def test_masks_are_compared_at_the_size_of_the_film(
    cell: tuple[dict[str, Any], str, Path],
) -> None:
    spec, _, results = cell
    found = compared(cell, scored_at="film", spacing=SPACING)
    assert (found.unit, found.scored_at) == ("mm", "film")
    rows = found.rows["top2"][:, 0]
    with np.load(results / "discs.npz") as stored:
        truth = stored["test_masks"] == 1
    (part,) = marked_films(spec, results, ["top2"])
    record = MaskRecord.of(rows)
    assert set(record.overlap.known) == {SIDES[0] * SIDES[1]}
    assert rows[:, 4] == pytest.approx(np.hypot(44 * 0.5, 60 * 0.25))  # the diagonal
    for film, probability in enumerate(part.marks["top2"].probability[:, 0]):
        large = Image.fromarray(probability).resize(SIDES[::-1], Image.Resampling.BILINEAR)
        marked, true = np.asarray(large) > 0.5, truth[film]
        want = [marked & true, marked, true]
        assert np.abs(rows[film, :3] - [one.sum() for one in want]).max() <= 1
        assert record.hd95[film] == pytest.approx(farthest(marked, true, (0.5, 0.25)), abs=0.3)
    assert (record.overlap.true_positive > 0).sum() >= 4


def test_without_spacing_distances_are_in_pixels(cell: tuple[dict[str, Any], str, Path]) -> None:
    found = compared(cell, scored_at="film")
    assert found.unit == "px"
    same = compared(cell, scored_at="film", spacing=2.0)
    both = [MaskRecord.of(one.rows["top2"]).hd95 for one in (found, same)]
    np.testing.assert_allclose(2 * both[0], both[1])


def test_at_the_size_of_the_cache_a_pixel_is_as_long_as_what_it_shows(
    cell: tuple[dict[str, Any], str, Path],
) -> None:
    spec, _, results = cell
    found, plain = compared(cell, spacing=SPACING), compared(cell)
    assert (found.unit, found.scored_at, plain.unit) == ("mm", "cache", "px")
    assert np.array_equal(found.rows["top2"][..., :4], plain.rows["top2"][..., :4])
    (part,) = marked_films(spec, results, ["top2"])
    steps = (0.5 * SIDES[0] / PX, 0.25 * SIDES[1] / PX)
    marked, true = part.marks["top2"].marked[:, 0], part.truth[:, 0] == 1
    want = [farthest(a, b, steps) for a, b in zip(marked, true, strict=True) if a.any()]
    hd95 = MaskRecord.of(found.rows["top2"][:, 0]).hd95[marked.any(axis=(1, 2))]
    np.testing.assert_allclose(hd95, want)


def test_ensembles_say_how_masks_were_compared(cell: tuple[dict[str, Any], str, Path]) -> None:
    spec, name, results = cell
    note = {"declaration": spec["dataset"], "root": str(results / "discs.npz")}
    how = {**MADE_FROM, "scored_at": "film", "spacing": SPACING}
    record_outlines("o", Measurement.planned(how, spec, results, note))
    made = Ensembles(results, "discs", ["top2"], "code", {name: "o"})
    made.make(name)
    table = read_ensemble(made.file(name, "top2", "test"))
    assert (table.unit, table.scored_at) == ("mm", "film")
    valid = read_ensemble(made.file(name, "top2", "valid"))
    assert (valid.unit, valid.scored_at) == ("", "")


def test_other_masks_than_those_that_were_learned_are_refused(
    cell: tuple[dict[str, Any], str, Path], tmp_path: Path
) -> None:
    spec, _, results = cell
    films(tmp_path / "others.npz", shift=6)
    note = {"declaration": spec["dataset"], "root": str(tmp_path / "others.npz")}
    how = {**MADE_FROM, "scored_at": "film"}
    with pytest.raises(UserError, match="masks of test0 are not those that were learned"):
        compare_masks(Measurement.planned(how, spec, results, note))
    split = open_split(cache_directory(spec["dataset"]["id"], results), "test")
    assert split.image_id[0] == "test0"


def test_a_published_data_set_is_scored_at_the_size_of_its_films(tmp_path: Path) -> None:
    root = tmp_path / "published"
    make(root, np.random.default_rng(0))
    declared = {"kind": "montgomery", "root": str(root), "image_px": PX, "lungs": "apart"}
    declared |= {"scored_at": "film", "spacing": 0.1}
    own: dict[str, Any] = {"recipe": {"epochs": 1}, "datasets": {"discs": declared}}
    spec, name = scored_cell(tmp_path, root, evaluation={"metrics": ["hd95"]}, **own)
    (measured,) = plan_study(load_study(tmp_path / "study.yaml")).weighings
    assert measured.cell == name
    note = {"declaration": spec["dataset"], "root": str(root)}
    found = compare_masks(Measurement.planned(measured.made_from, spec, tmp_path, note))
    assert (found.unit, found.scored_at) == ("mm", "film")
    for film, rows in zip(found.image_id, found.rows["last"], strict=True):
        for side, numbers in zip(("left", "right"), rows, strict=True):
            with Image.open(root / FOLDER / "ManualMask" / f"{side}Mask" / film) as image:
                lung = np.asarray(image.convert("L")) > 0
            assert numbers[2:4].tolist() == [lung.sum(), lung.size]
            assert numbers[4] == pytest.approx(0.1 * np.hypot(*(side - 1 for side in lung.shape)))
