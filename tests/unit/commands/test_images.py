"""Counts before decoding, against what the readers themselves find."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from datasets.chexpert.make import make as make_chexpert
from datasets.csv.make import make as make_csv
from datasets.medmnist.make import make as make_medmnist
from unit.commands import made_up_results as made

from transfergrid.commands.images import Images, count_images
from transfergrid.data import chexpert, medmnist, phantom, table
from transfergrid.data.cache import build_cache
from transfergrid.data.kinds import read_manifest
from transfergrid.data.manifest import Manifest
from transfergrid.planning.inputs import Dataset
from transfergrid.planning.plan import plan_run


def dataset(tmp_path: Path, settings: Mapping[str, Any]) -> Dataset:
    """Resolve a data set as a study does, defaults filled in."""
    study = copy.deepcopy(made.SMALL)
    study["datasets"]["films"] = dict(settings)
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    return plan_run([tmp_path / "study.yaml"], {}).studies["small"].datasets["films"]


def sizes(manifest: Manifest) -> tuple[int, int, int]:
    counts = manifest.table["split"].value_counts()
    return counts["train"], counts["valid"], counts["test"]


def people(manifest: Manifest) -> int:
    table = manifest.table
    return int(table["patient_id"][table["split"] == "train"].nunique())


def found(data: Dataset, tmp_path: Path) -> tuple[int, int, int]:
    images = count_images(data, (), tmp_path / "results")
    assert images is not None
    return images.train, images.valid, images.test


@pytest.mark.parametrize("compressed", [True, False])
def test_medmnist_is_counted_without_its_pixels(tmp_path: Path, compressed: bool) -> None:
    path = tmp_path / "set.npz"
    make_medmnist(path, np.random.default_rng(0), compressed=compressed)
    data = dataset(tmp_path, {"kind": "medmnist", "root": str(path)})
    assert found(data, tmp_path) == sizes(medmnist.read({}, path))
    assert count_images(data, (), tmp_path).exact  # type: ignore[union-attr]


@pytest.mark.parametrize("options", [{}, {"validation_share": 0.3, "test_split": "valid"}])
def test_chexpert_is_counted_from_its_tables(tmp_path: Path, options: dict[str, Any]) -> None:
    make_chexpert(tmp_path / "data", np.random.default_rng(0))
    settings = {"kind": "chexpert", "root": str(tmp_path / "data"), **options}
    data = dataset(tmp_path, settings)
    expected = sizes(chexpert.read(data.declaration, tmp_path / "data"))
    assert sum(found(data, tmp_path)) == sum(expected)
    assert np.allclose(found(data, tmp_path), expected, rtol=0.35, atol=3)  # cut by patient
    if not options:
        assert found(data, tmp_path) == expected


def csv_settings(tmp_path: Path) -> dict[str, Any]:
    return {
        "kind": "csv",
        "root": str(tmp_path / "data"),
        "table": "labels.csv",
        "image_column": "image",
        "label_columns": ["Mass"],
        "patient_column": "patient",
    }


COLUMN = {"column": "part", "train": ["development"], "valid": ["tuning"], "test": ["holdout"]}


@pytest.mark.parametrize("split", [COLUMN, {"random": {"valid": 0.2, "test": 0.3}}])
def test_a_table_is_counted_by_its_split(tmp_path: Path, split: dict[str, Any]) -> None:
    make_csv(tmp_path / "data", np.random.default_rng(0))
    data = dataset(tmp_path, csv_settings(tmp_path) | {"split": split})
    expected = sizes(table.read(data.declaration, tmp_path / "data"))
    assert sum(found(data, tmp_path)) == sum(expected)
    assert np.allclose(found(data, tmp_path), expected, rtol=0.5, atol=4)
    if "column" in split:
        assert found(data, tmp_path) == expected


def test_a_table_whose_patients_stand_in_headers_is_counted_without_opening_a_file(
    tmp_path: Path,
) -> None:
    make_csv(tmp_path / "data", np.random.default_rng(0))
    split = {"random": {"valid": 0.2, "test": 0.3}}
    told = dataset(tmp_path, csv_settings(tmp_path) | {"split": split})
    headers = {"split": split, "dicom": True, "patient_column": "PatientID"}
    data = dataset(tmp_path, csv_settings(tmp_path) | headers)
    assert found(data, tmp_path) == found(told, tmp_path)
    counted = count_images(data, (), tmp_path)
    assert counted is not None and counted.patients is None and not counted.exact


@pytest.mark.parametrize("valid", ["next", 0.2])
def test_a_data_set_in_folds_is_counted_as_one_of_them(tmp_path: Path, valid: Any) -> None:
    make_csv(tmp_path / "data", np.random.default_rng(0))
    data = dataset(tmp_path, csv_settings(tmp_path) | {"folds": {"k": 4, "valid": valid}})
    folds = read_manifest(data.declaration, tmp_path / "data").folds
    expected = [folds.rows(name, 0).sum() for name in ("train", "valid", "test")]
    assert sum(found(data, tmp_path)) == sum(expected)
    assert np.allclose(found(data, tmp_path), expected, rtol=0.5, atol=4)
    build_cache(data.declaration, tmp_path / "data", tmp_path / "results" / "cache" / data.id, 1)
    assert list(found(data, tmp_path)) == expected


@pytest.mark.parametrize(
    ("settings", "tasks"),
    [
        ({"task_kind": "multiclass", "label_columns": ["finding"]}, 3),
        ({"label_columns": ["finding"], "label_separator": " "}, 4),
        ({"label_columns": ["finding"], "label_separator": " ", "no_label": "Benign"}, 3),
    ],
)
def test_tasks_in_the_cells_of_a_table_are_counted(
    tmp_path: Path, settings: dict[str, Any], tasks: int
) -> None:
    make_csv(tmp_path / "data", np.random.default_rng(0))
    text = (tmp_path / "data" / "labels.csv").read_text().replace(",", " ;")
    (tmp_path / "data" / "labels.CSV").write_text(f"\ufeff{text}")
    base = {"kind": "csv", "root": str(tmp_path / "data"), "table": "labels.CSV", "separator": ";"}
    data = dataset(tmp_path, {**base, "image_column": "image", "split": COLUMN, **settings})
    made_of = table.read(data.declaration, tmp_path / "data")
    counted = count_images(data, (), tmp_path)
    assert counted is not None and counted.tasks == len(made_of.tasks) == tasks
    assert found(data, tmp_path) == sizes(made_of)


def test_phantoms(tmp_path: Path) -> None:
    shapes = dataset(tmp_path, {"kind": "phantom", "set": "shapes", "patients": 64})
    assert found(shapes, tmp_path) == sizes(phantom.read(shapes.declaration, tmp_path / "a"))
    films = dataset(tmp_path, {"kind": "phantom", "patients": 100, "image_px": 32})
    expected = sizes(phantom.read(films.declaration, tmp_path / "b"))
    assert np.allclose(found(films, tmp_path), expected, rtol=0.15)
    for data, patients in ((shapes, 64), (films, 100)):
        assert count_images(data, (), tmp_path).patients == patients  # type: ignore[union-attr]


def test_a_card_is_believed_before_tables(tmp_path: Path) -> None:
    data = dataset(tmp_path, {"kind": "phantom", "patients": 100, "image_px": 32})
    results = tmp_path / "results"
    made.write(results / "cells" / "other" / "card.json", made.CARD)
    assert count_images(data, ("other",), results) == Images(93, 45, 50, 14, exact=False)
    made.write(results / "cells" / "other" / "spec.json", {"dataset": {"id": data.id}})
    assert count_images(data, ("other",), results) == Images(93, 45, 50, 14, exact=True)
    shutil.rmtree(results)
    made.write(results / "cache" / data.id / "card.json", made.CARD)
    assert count_images(data, (), results) == Images(93, 45, 50, 14, exact=True)


def test_what_cannot_be_counted_is_unknown(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    make_medmnist(path, np.random.default_rng(0))
    data = dataset(tmp_path, {"kind": "medmnist", "root": str(path)})
    path.write_bytes(b"broken")
    assert count_images(data, (), tmp_path) is None


@pytest.mark.parametrize("damaged", ["[1]", '{"a": 1}', '{"splits": 3, "tasks": []}', "5", "{"])
def test_a_damaged_card_is_passed_over(tmp_path: Path, damaged: str) -> None:
    data = dataset(tmp_path, {"kind": "phantom", "patients": 30})
    whole = count_images(data, ("other",), tmp_path)
    for folder in (tmp_path / "cache" / data.id, tmp_path / "cells" / "other"):
        folder.mkdir(parents=True)
        (folder / "card.json").write_text(damaged)
        (folder / "spec.json").write_text(damaged)
    assert whole is not None and count_images(data, ("other",), tmp_path) == whole
