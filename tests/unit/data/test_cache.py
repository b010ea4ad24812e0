from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import namedtuple
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from datasets.chexpert.make import make as make_chexpert
from datasets.csv.make import make as make_csv
from datasets.medmnist.make import make as make_npz
from PIL import Image
from unit.data.declarations import CSV, DECLARATION, FOLDER

from transfergrid.data import blocks
from transfergrid.data import cache as cache_module
from transfergrid.data.cache import build_cache
from transfergrid.data.kinds import read_manifest
from transfergrid.data.store import open_split
from transfergrid.runtime.errors import UserError


@pytest.fixture
def published(tmp_path):
    make_chexpert(tmp_path / "data", np.random.default_rng(0))
    return tmp_path / "data"


def built(tmp_path, declaration, root, name="chex-12345678", workers=2):
    destination = tmp_path / "cache" / name
    return destination, build_cache(declaration, root, destination, workers)


@pytest.mark.parametrize("kind", ["chexpert", "csv"])
def test_arrays_hold_every_image_resized_in_order(tmp_path, published, kind):
    declaration, root, files = DECLARATION, published, published / FOLDER
    if kind == "csv":
        root = files = tmp_path / "private"
        make_csv(root, np.random.default_rng(0))
        declaration = {**CSV, "image_px": 16}
    destination, _ = built(tmp_path, declaration, root)
    for name in ("train", "valid", "test"):
        part = open_split(destination, name)
        expected = []
        for image_id in part.image_id:
            with Image.open(files / image_id) as picture:
                side = min(picture.size)
                left, top = (picture.width - side) // 2, (picture.height - side) // 2
                square = picture.convert("L").crop((left, top, left + side, top + side))
            expected.append(np.asarray(square.resize((16, 16), Image.Resampling.BILINEAR)))
        distance = np.abs(part.images[:, None].astype(int) - np.stack(expected)).mean((2, 3))
        np.testing.assert_array_equal(distance.argmin(1), np.arange(len(expected)))
        assert distance.diagonal().max() < 8


@pytest.mark.parametrize("channels", ["grey", "rgb"])
@pytest.mark.parametrize("rule", ["crop", "pad", "stretch"])
def test_every_form_of_cache(tmp_path, channels, rule):
    make_csv(tmp_path, np.random.default_rng(0))
    declaration = {**CSV, "channels": channels, "resize": rule}
    destination, card = built(tmp_path, declaration, tmp_path, "private")
    images = open_split(destination, "train").images
    assert images.shape[1:] == ((12, 12) if channels == "grey" else (12, 12, 3))
    assert card["channels"] == (1 if channels == "grey" else 3)
    assert (card["resize"], card["image_px"], card["dataset"]) == (rule, 12, "private")


def test_the_index_has_one_row_group_a_split(tmp_path, published):
    destination, card = built(tmp_path, DECLARATION, published)
    index = pq.ParquetFile(destination / "index.parquet")
    tasks = [f"label_{task}" for task in card["tasks"]]
    assert index.schema_arrow.names == [
        "image_id", "study_id", "patient_id", "view", "split", "row", *tasks
    ]  # fmt: skip
    assert index.num_row_groups == 3
    manifest = read_manifest(DECLARATION, published)
    for group, name in enumerate(("train", "valid", "test")):
        frame = index.read_row_group(group).to_pandas()
        rows = manifest.table[manifest.table["split"] == name].reset_index(drop=True)
        assert frame["row"].tolist() == list(range(len(rows)))
        for column in ("image_id", "study_id", "patient_id", "view", "split"):
            assert frame[column].tolist() == rows[column].tolist()
        np.testing.assert_array_equal(frame[tasks], rows[card["tasks"]])
        assert set(frame[tasks].dtypes) == {np.dtype(np.float32)}
    assert index.read_row_group(0).column("label_edema").null_count == 0


def test_the_card_counts(tmp_path, published):
    declaration = {**DECLARATION, "uncertain": "smooth", "aggregate": "mean"}
    destination, card = built(tmp_path, declaration, published)
    assert json.loads((destination / "card.json").read_text()) == card
    fixed = {
        "dataset": "chex",
        "kind": "chexpert",
        "task_kind": "multilabel",
        "patients": "known",
        "studies": "known",
        "image_px": 16,
        "resize": "crop",
        "channels": 1,
        "synthetic": False,
        "aggregate": "mean",
        "notes": [],
        "jpeg_gap": 2,
    }
    assert {key: card[key] for key in fixed} == fixed
    assert len(card["tasks"]) == 14
    assert len(card["score_tasks"]) == 5
    written = pd.read_csv(published / FOLDER / "train.csv")
    counts = card["splits"]["train"]
    assert counts["images"] == len(written)
    assert counts["patients"] == 12
    assert counts["studies"] == written["Path"].str.rsplit("/", n=1).str[0].nunique()
    assert counts["positives"]["pleural_effusion"] == (written["Pleural Effusion"] == 1).sum()
    assert counts["soft"]["pleural_effusion"] == (written["Pleural Effusion"] == -1).sum()
    for name in ("train", "valid", "test"):
        counts = card["splits"][name]
        for task in card["tasks"]:
            parts = ("positives", "negatives", "soft", "unknown")
            assert sum(counts[part][task] for part in parts) == counts["images"]


def test_the_receipt_holds_the_hash_of_every_other_file(tmp_path, published):
    destination, _ = built(tmp_path, DECLARATION, published)
    receipt = json.loads((destination / "receipt.json").read_text())
    files = {path.name for path in destination.iterdir()}
    assert files == {
        "train.npy", "valid.npy", "test.npy", "index.parquet", "card.json", "receipt.json"
    }  # fmt: skip
    assert receipt["files"] == {
        name: hashlib.sha256((destination / name).read_bytes()).hexdigest()
        for name in files - {"receipt.json"}
    }
    assert set(receipt["rows"]) == {"train", "valid", "test"}


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_cache_does_not_depend_on_workers_or_place(tmp_path, published, suffix):
    for path in published.rglob("*.jpg") if suffix == ".png" else ():
        with Image.open(path) as image:
            image.save(path, "PNG")
    first, _ = built(tmp_path, DECLARATION, published, workers=1)
    shutil.move(published, tmp_path / "elsewhere")
    second, _ = built(tmp_path, DECLARATION, tmp_path / "elsewhere", "other", workers=5)
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes(), path.name


def test_the_content_hash_sees_pixels_labels_ids_and_tasks_only(tmp_path, published):
    _, card = built(tmp_path, DECLARATION, published)

    def content(name, declaration=DECLARATION):
        return built(tmp_path, declaration, published, name)[1]["content_sha256"]

    assert (
        content("renamed", {**DECLARATION, "id": "x-1", "aggregate": "mean"})
        == card["content_sha256"]
    )
    hashes = {card["content_sha256"], content("tasks", {**DECLARATION, "tasks": 6})}
    film = next((published / FOLDER / "test").rglob("*.jpg"))
    original = film.read_bytes()
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(film)
    hashes.add(content("pixels"))
    film.write_bytes(original)
    assert content("restored") == card["content_sha256"]
    train = published / FOLDER / "train.csv"
    text = train.read_text()
    frame = pd.read_csv(train, dtype=str)
    frame.loc[0, "Fracture"] = "0.0"
    frame.to_csv(train, index=False)
    hashes.add(content("labels"))
    train.write_text(text.replace("patient00003", "patient00333"))
    (published / FOLDER / "train/patient00003").rename(published / FOLDER / "train/patient00333")
    hashes.add(content("ids"))
    assert len(hashes) == 5


def test_the_content_hash_sees_names_of_tasks_and_one_kind_of_unknown(
    tmp_path, published, monkeypatch
):
    make_npz(tmp_path / "a.npz", np.random.default_rng(0))
    hashes = {
        built(
            tmp_path,
            {"kind": "medmnist", "image_px": 28, "task_names": [name]},
            tmp_path / "a.npz",
        )[1]["content_sha256"]
        for name in ("a", "b")
    }
    assert len(hashes) == 2
    _, card = built(tmp_path, DECLARATION, published)

    def read(options, root):
        manifest = read_manifest(options, root)
        table = manifest.table.copy()
        for task in manifest.tasks:
            labels = table[task].to_numpy(copy=True)
            labels.view(np.uint32)[np.isnan(labels)] = 0xFFC00001
            table[task] = labels
        return replace(manifest, table=table)

    monkeypatch.setattr(cache_module, "read_unchecked", read)
    assert built(tmp_path, DECLARATION, published)[1]["content_sha256"] == card["content_sha256"]


def test_all_broken_images_are_listed_at_once_and_nothing_is_written(tmp_path, published):
    films = sorted((published / FOLDER).glob("*/*/*/view1_frontal.jpg"))
    films[3].write_bytes(films[3].read_bytes()[:-200])
    films[-1].write_bytes(b"")
    names = [film.relative_to(published / FOLDER).as_posix() for film in films]
    with pytest.raises(UserError, match="2 of .* images are broken and nothing") as told:
        built(tmp_path, DECLARATION, published)
    for position in (3, -1):
        assert names[position] in str(told.value)
    assert list((tmp_path / "cache").iterdir()) == []


def test_all_missing_images_are_listed_before_one_is_read(tmp_path, published, monkeypatch):
    monkeypatch.setattr(blocks, "_decode", lambda *_: pytest.fail("an image was read"))
    films = sorted((published / FOLDER).glob("*/*/*/view1_frontal.jpg"))
    films[1].unlink()
    films[2].unlink()
    os.mkfifo(films[2])
    with pytest.raises(UserError, match="2 of .* images are missing and nothing") as told:
        built(tmp_path, DECLARATION, published)
    for film in films[1:3]:
        assert film.relative_to(published / FOLDER).as_posix() in str(told.value)
    assert list((tmp_path / "cache").iterdir()) == []


def test_an_older_cache_survives_a_failure(tmp_path, published):
    destination, _ = built(tmp_path, DECLARATION, published)
    before = {path.name: path.read_bytes() for path in destination.iterdir()}
    next((published / FOLDER / "valid").rglob("*.jpg")).unlink()
    with pytest.raises(UserError, match="1 of"):
        built(tmp_path, DECLARATION, published)
    assert {path.name: path.read_bytes() for path in destination.iterdir()} == before
    assert [path.name for path in destination.parent.iterdir()] == [destination.name]


def edit(root, column, value, table="train.csv"):
    frame = pd.read_csv(root / FOLDER / table, dtype=str)
    frame[column] = value(frame) if callable(value) else value
    frame.to_csv(root / FOLDER / table, index=False)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda r: edit(r, "Edema", "7"), r"train\.csv has '7' in column 'Edema' of row 1;"),
        (lambda r: edit(r, "Edema", "1.0", "test.csv"), "task edema has .* 0 neg.* in test, and"),
        (
            lambda r: edit(r, "Path", lambda f: f["Path"].str.replace("00001", "00014")),
            r"patient patient00014 \(train and valid\) is in more than one split",
        ),
        (
            lambda r: (r / FOLDER / "valid.csv").write_text(
                (r / FOLDER / "valid.csv").read_text().splitlines()[0] + "\n"
            ),
            "valid\\.csv has a header but no rows",
        ),
        (
            lambda r: (r / FOLDER / "test.csv").write_text(
                (r / FOLDER / "test.csv").read_text().replace("Edema", "Oedema")
            ),
            r"test\.csv has no column 'Edema'",
        ),
        (lambda r: shutil.rmtree(r), "data folder .* does not exist"),
    ],
)
def test_bad_tables_stop_before_an_image_is_read(tmp_path, published, monkeypatch, harm, message):
    monkeypatch.setattr(blocks, "_decode", lambda *_: pytest.fail("an image was read"))
    harm(published)
    with pytest.raises(UserError, match=message) as told:
        built(tmp_path, DECLARATION, published)
    assert "\n" not in str(told.value)
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_px": 0}, "image_px is '0'"),
        ({"image_px": None}, "image_px is 'None'"),
        ({"resize": "squash"}, "resize is 'squash'; allowed are crop, pad, stretch"),
        ({"channels": "gray"}, r"channels is 'gray' \(did you mean 'grey'\?\)"),
        ({"aggregate": "median"}, "aggregate is 'median'"),
    ],
)
def test_options_out_of_range_are_named(tmp_path, published, change, message):
    with pytest.raises(UserError, match=message):
        built(tmp_path, {**DECLARATION, **change}, published)


def test_a_full_disk_is_foreseen(tmp_path, published, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(cache_module.shutil, "disk_usage", lambda _: usage(1, 1, 4000))
    with pytest.raises(UserError, match=r"the cache needs 0\.0 GB and the disk"):
        built(tmp_path, DECLARATION, published)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_reader_of_the_users_own_may_raise_what_it_likes_for_a_broken_image(
    tmp_path, published, monkeypatch
):
    class Films:
        def __init__(self, count):
            self.count = count

        def __len__(self):
            return self.count

        def read(self, index):
            if index == 3:
                raise OSError("the tape tore")
            return np.zeros((4, 4), np.uint8 if index != 5 else np.uint16)

        def name(self, index):
            return f"film {index}"

    def read(options, root):
        manifest = read_manifest(DECLARATION, published)
        return replace(manifest, images=Films(len(manifest.table)))

    monkeypatch.setattr(cache_module, "read_unchecked", read)
    with pytest.raises(UserError, match="2 of .*: film 3, film 5; the first says: the tape tore"):
        built(tmp_path, {**DECLARATION, "kind": "tape"}, published)


def test_the_same_split_as_numpy_would_save(tmp_path):
    make_npz(tmp_path / "a.npz", np.random.default_rng(0), px=28, colour=True)
    declaration = {"kind": "medmnist", "image_px": 28, "channels": "rgb"}
    destination, card = built(tmp_path, declaration, tmp_path / "a.npz", "colour-00000000")
    with np.load(tmp_path / "a.npz") as arrays:
        for key, name in (("train", "train"), ("val", "valid"), ("test", "test")):
            np.save(tmp_path / "expected.npy", arrays[f"{key}_images"])
            expected = (tmp_path / "expected.npy").read_bytes()
            assert (destination / f"{name}.npy").read_bytes() == expected
    assert (card["patients"], card["studies"], card["dataset"]) == ("unknown", "unknown", "colour")
    assert card["notes"][0].startswith("Patients are unknown")


def test_the_white_of_a_data_set_reaches_its_pixels_and_its_card(tmp_path):
    make_csv(tmp_path, np.random.default_rng(0))
    for path in sorted((tmp_path / "images").glob("*.png")):
        with Image.open(path) as image:
            values = np.asarray(image.convert("L")).astype(np.uint16) * 16
        Image.fromarray(values).save(path)
    _, dark = built(tmp_path, CSV, tmp_path, "dark")
    assert not {"white", "black"} & dark.keys()
    folder, card = built(tmp_path, {**CSV, "white": 4080, "black": 0}, tmp_path, "light")
    assert (card["white"], card["black"]) == (4080, 0)
    light = open_split(folder, "train").images
    assert light.max() > 200 > 16 >= open_split(tmp_path / "cache" / "dark", "train").images.max()
    with pytest.raises(UserError, match=r"are broken.*beyond black 0 and white 1000"):
        built(tmp_path, {**CSV, "white": 1000}, tmp_path, "narrow")
