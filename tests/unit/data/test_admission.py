"""Images that change under one data set id are refused while cells of the old ones stand."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets.chexpert.make import make as make_chexpert
from datasets.csv.make import make as make_csv
from datasets.medmnist.make import make as make_npz
from PIL import Image
from unit.data.test_masked import TABLE, lungs

from transfergrid.data import blocks
from transfergrid.data import origin as origin_module
from transfergrid.data.admission import difference, read_origin
from transfergrid.data.images import decoded
from transfergrid.data.rebuild import ensure_cache, rebuild_cache
from transfergrid.planning.inputs import Dataset, resolve_dataset
from transfergrid.planning.neighbours import NOTES
from transfergrid.planning.paths import cache_directory, origin_file
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import canonical_json, short_hash

RESULTS = Path("results")
OWN = """
from pathlib import Path
import numpy as np
import pandas as pd
from transfergrid.data.manifest import Manifest

class Source:
    def __init__(self, folder):
        self.paths = sorted(Path(folder).glob("*.npy"))
    def __len__(self):
        return len(self.paths)
    def read(self, index):
        return np.load(self.paths[index])
    def name(self, index):
        return self.paths[index].name

def read(options, root):
    source = Source(root)
    names = [source.name(index) for index in range(len(source))]
    table = pd.DataFrame({
        "image_id": names, "study_id": names, "patient_id": names, "view": "",
        "split": [("train", "valid", "test")[index // 4] for index in range(12)],
        "mass": np.float32([index % 2 for index in range(12)]),
    })
    return Manifest(table, ("mass",), ("mass",), "multilabel", source, True, True)
"""
CSV = {
    "kind": "csv",
    "table": "labels.csv",
    "image_column": "image",
    "label_columns": ["Mass"],
    "patient_column": "patient",
    "split": {"column": "part", "train": ["development"], "valid": ["tuning"], "test": ["holdout"]},
}
COMMON = {
    "image_px": 12,
    "resize": "crop",
    "channels": "grey",
    "aggregate": "max",
    "score_tasks": None,
    "duplicates": "allow",
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


def dataset(kind: str, folder: str = "films") -> Dataset:
    if kind == "csv":
        make_csv(Path(folder), np.random.default_rng(0))
        settings: dict[str, Any] = CSV
    elif kind == "chexpert":
        make_chexpert(Path(folder), np.random.default_rng(0))
        settings = {"kind": "chexpert", "tasks": 5}
    else:
        Path("own_reader.py").write_text(OWN)
        sys.modules.pop("own_reader", None)
        Path(folder).mkdir()
        rng = np.random.default_rng(0)
        for number in range(12):
            pixels = rng.integers(0, 256, (20, 20), dtype=np.uint8)
            np.save(Path(folder) / f"{number:02d}.npy", pixels)
        settings = {"kind": "own_reader:read", "tables": [], "options": {}}
    return resolve_dataset("films", {**COMMON, **settings, "root": folder})


def an_image(kind: str) -> tuple[Path, str]:
    """Return an image's file, and its name."""
    pattern = {"csv": "images/*.png", "chexpert": "*/train/*/*/*.jpg", "own": "*.npy"}[kind]
    path = sorted(Path("films").glob(pattern))[0]
    return path, path.name


def change(path: Path) -> None:
    if path.suffix == ".npy":
        np.save(path, 255 - np.load(path))
        return
    with Image.open(path) as image:
        Image.eval(image, lambda value: 255 - value).save(path)


def train_a_cell(data: Dataset, name: str = "films-net-random-drop0-p-seed0-00000000") -> None:
    """Leave of a training what it leaves first."""
    folder = RESULTS / "cells" / name
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(canonical_json({"dataset": dict(data.declaration)}))
    shutil.copy(cache_directory(data.id, RESULTS) / "card.json", folder)


def prepared(kind: str) -> Dataset:
    data = dataset(kind)
    rebuild_cache(data.location, RESULTS, 2)
    return data


def drop_cache(data: Dataset) -> None:
    shutil.rmtree(cache_directory(data.id, RESULTS))


def files() -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(RESULTS.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("kind", ["csv", "chexpert", "own"])
def test_images_that_changed_are_named_and_refused(kind: str) -> None:
    data = prepared(kind)
    train_a_cell(data)
    path, name = an_image(kind)
    before = path.read_bytes()
    change(path)
    assert dataset_id_now(data) == data.id  # the id does not see it
    drop_cache(data)
    standing = files()
    with pytest.raises(UserError) as caught:
        rebuild_cache(data.location, RESULTS, 2)
    told = str(caught.value)
    assert told.startswith("1 cell(s) were trained on other pixels of data set 'films'")
    assert "1 changed (" in told
    assert name in told
    assert "films-net-random-drop0-p-seed0-00000000" in told
    assert files() == standing
    path.write_bytes(before)
    rebuild_cache(data.location, RESULTS, 2)
    card = json.loads((cache_directory(data.id, RESULTS) / "card.json").read_text())
    (cell,) = (RESULTS / "cells").iterdir()
    assert card == json.loads((cell / "card.json").read_text())


def dataset_id_now(data: Dataset) -> str:
    settings = {
        key: value for key, value in data.declaration.items() if key not in ("id", "tables")
    }
    if data.declaration["kind"] == "own_reader:read":
        settings["tables"] = []
    return resolve_dataset("films", {**settings, "root": str(data.root)}).id


def leave_note(folder: Path, data: Dataset) -> None:
    folder.mkdir(parents=True)
    note = folder / f"{data.id}.location.{short_hash(data.location)}"
    note.write_text(canonical_json(data.location))


def test_images_that_were_moved_are_read_from_where_the_run_was_told() -> None:
    data = prepared("csv")
    leave_note(RESULTS / "stamps", data)
    drop_cache(data)
    Path("films").rename("elsewhere")
    with pytest.raises(UserError, match="films"):
        ensure_cache(data.id, RESULTS, 2)
    # The job that writes the new note into the results waits for none that reads images.
    moved = resolve_dataset("films", {**COMMON, **CSV, "root": "elsewhere"})
    leave_note(NOTES, moved)
    assert moved.id == data.id
    ensure_cache(data.id, RESULTS, 2)
    assert (cache_directory(data.id, RESULTS) / "card.json").is_file()


def test_a_training_that_rebuilds_its_cache_meets_the_same_rule() -> None:
    data = prepared("csv")
    train_a_cell(data)
    change(an_image("csv")[0])
    drop_cache(data)
    leave_note(RESULTS / "stamps", data)
    with pytest.raises(UserError, match="1 changed"):
        ensure_cache(data.id, RESULTS, 2)
    assert not cache_directory(data.id, RESULTS).exists()


def test_without_cells_new_images_are_new_data() -> None:
    data = prepared("csv")
    old = read_origin(origin_file(data.id, RESULTS))
    path, _ = an_image("csv")
    change(path)
    drop_cache(data)
    train_a_cell_of_another_id(data)
    rebuild_cache(data.location, RESULTS, 2)
    new = read_origin(origin_file(data.id, RESULTS))
    assert old is not None
    assert new is not None
    assert difference(old, new).changed == [f"images/{path.name}"]
    assert new.content_sha256 != old.content_sha256


def train_a_cell_of_another_id(data: Dataset) -> None:
    other = {**data.declaration, "id": "films-99999999"}
    folder = RESULTS / "cells" / "films-net-random-drop0-p-seed0-99999999"
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(canonical_json({"dataset": other}))
    (folder / "card.json").write_text(canonical_json({"content_sha256": "0" * 64}))


def test_a_decoder_that_changed_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    data = prepared("csv")
    train_a_cell(data)
    drop_cache(data)

    def otherwise(source: Any, index: int) -> Any:
        image = decoded(source, index)
        return replace(image, pixels=image.pixels // 2)

    monkeypatch.setattr(blocks, "decoded", otherwise)
    with pytest.raises(UserError, match="decoded differently .the same libraries"):
        rebuild_cache(data.location, RESULTS, 2)
    monkeypatch.setattr(origin_module.PIL, "__version__", "99.0")
    with pytest.raises(UserError, match=r"decoded differently \(pillow [\d.]+ then, 99.0 now\)"):
        rebuild_cache(data.location, RESULTS, 2)
    monkeypatch.setattr(blocks, "decoded", decoded)
    rebuild_cache(data.location, RESULTS, 2)  # another version, the same pixels


def test_masks_that_changed_are_told_apart() -> None:
    Path("films").mkdir()
    lungs(Path("films"))
    data = resolve_dataset("films", {**COMMON, **TABLE, "root": "films"})
    rebuild_cache(data.location, RESULTS, 2)
    train_a_cell(data)
    path = Path("films/5-left.png")  # of validation
    before = path.read_bytes()
    with Image.open(path) as mask:
        mask.rotate(90).save(path)
    drop_cache(data)
    with pytest.raises(UserError, match=r"other masks of data set 'films': .* masks in valid diff"):
        rebuild_cache(data.location, RESULTS, 2)
    path.write_bytes(before)
    rebuild_cache(data.location, RESULTS, 2)


def test_without_the_record_the_cells_still_count() -> None:
    data = prepared("csv")
    train_a_cell(data)
    change(an_image("csv")[0])
    drop_cache(data)
    path = origin_file(data.id, RESULTS)
    path.write_bytes(path.read_bytes()[:-100])
    for _ in range(2):
        with pytest.raises(UserError, match="which images changed is not known"):
            rebuild_cache(data.location, RESULTS, 2)
        path.unlink(missing_ok=True)


def test_the_record_says_what_was_read() -> None:
    data = prepared("chexpert")
    origin = read_origin(origin_file(data.id, RESULTS))
    assert origin is not None
    assert origin.decoders.keys() >= {"pillow", "numpy", "kornia_rs"}
    card = json.loads((cache_directory(data.id, RESULTS) / "card.json").read_text())
    assert card["content_sha256"] == origin.content_sha256
    assert card["decoders"] == origin.decoders
    assert data.root is not None
    assert origin.base is not None
    for name, size, time in zip(origin.names, origin.sizes, origin.times, strict=True):
        status = os.stat(data.root / origin.base / name)
        assert (status.st_size, status.st_mtime_ns) == (size, time)


def test_differences_name_what_came_and_went() -> None:
    data = prepared("csv")
    old = read_origin(origin_file(data.id, RESULTS))
    assert old is not None
    new = replace(old, names=[*old.names[1:], "new.png"], digests=[*old.digests[1:], bytes(32)])
    found = difference(old, new)
    assert (found.added, found.removed, found.changed) == (["new.png"], [old.names[0]], [])
    labels = {**old.content["splits"], "test": {**old.content["splits"]["test"], "labels": ""}}
    relabelled = replace(old, content={**old.content, "splits": labels})
    assert difference(old, relabelled).relabelled == ["test"]
    assert difference(old, old).images == []


@pytest.mark.parametrize("kind", ["medmnist", "phantom"])
def test_images_without_files_of_their_own_are_known_by_their_pixels(kind: str) -> None:
    settings: dict[str, Any] = {**COMMON, "kind": kind}
    if kind == "medmnist":
        make_npz(Path("set.npz"), np.random.default_rng(0))
        settings |= {"root": "set.npz", "task_names": None}
    else:
        people = {"patients": 10, "valid_patients": 10, "test_patients": 10}
        settings |= {"set": "shapes", "seed": 0, "tasks": 14, **people}
    data = resolve_dataset("films", settings)
    rebuild_cache(data.location, RESULTS, 2)
    origin = read_origin(origin_file(data.id, RESULTS))
    assert origin is not None
    assert origin.base is None
    assert set(origin.sizes) == {0}
    assert len(set(origin.digests)) > 1
    train_a_cell(data)
    drop_cache(data)
    rebuild_cache(data.location, RESULTS, 2)  # the same pixels
    again = read_origin(origin_file(data.id, RESULTS))
    assert again is not None
    assert difference(origin, again).images == []
