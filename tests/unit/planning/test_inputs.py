from __future__ import annotations

import importlib
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets.chexpert.make import in_batches
from datasets.chexpert.make import make as make_chexpert
from unit.planning.made_up_plan import grid, planned

from transfergrid.catalog.kinds import DATASET_KINDS
from transfergrid.planning import label_tables, weight_sources
from transfergrid.planning.inputs import Dataset, check_weights, resolve_dataset
from transfergrid.planning.unchanged import hold_cell
from transfergrid.planning.wheels import known_wheels
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import sha256_file


def test_a_weight_file_is_known_by_content_not_by_place(tmp_path: Path) -> None:
    def identity(path: Path) -> str:
        file = {"kind": "file", "path": str(path)}
        change = {"pretrainings": {"file": file}, **grid(pretrainings=["file"], seeds=[0])}
        return planned(tmp_path, change).targets[0].name

    for name, content in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / f"{name}.safetensors").write_bytes(content)
    first = identity(tmp_path / "a.safetensors")
    assert first == identity(tmp_path / "b.safetensors")
    assert first != identity(tmp_path / "c.safetensors")


def test_a_label_that_changes_renames_and_a_moved_file_does_not(tmp_path: Path) -> None:
    def write(path: Path, label: int) -> Path:
        arrays = {}
        for split in ("train", "val", "test"):
            arrays[f"{split}_images"] = np.zeros((4, 28, 28), np.uint8)
            arrays[f"{split}_labels"] = np.array([[0], [1], [0], [label]], np.uint8)
        np.savez(path, **arrays)
        return path

    def identity(path: Path) -> str:
        data = {"datasets": {"mnist": {"kind": "medmnist", "root": str(path)}}}
        return planned(tmp_path, {**data, **grid(datasets=["mnist"])}).targets[0].name

    first = identity(write(tmp_path / "a.npz", 1))
    assert first == identity(write(tmp_path / "moved.npz", 1))
    assert first != identity(write(tmp_path / "b.npz", 0))
    (tmp_path / "c.npz").write_bytes(b"no archive")
    with pytest.raises(UserError, match=r"c\.npz is not a readable \.npz file"):
        identity(tmp_path / "c.npz")
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        assert "train_images.npy" in archive.namelist()


def test_black_and_white_are_part_of_a_data_set_only_where_they_are_given(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("image,label,split\n")
    csv = {"kind": "csv", "root": str(tmp_path), "table": "labels.csv", "label_columns": ["label"]}
    csv |= {"image_column": "image", "split": {"random": {"valid": 0.1, "test": 0.1}}}

    def declared(**more: Any) -> Dataset:
        data = {"datasets": {"x": {**csv, **more}}}
        return planned(tmp_path, {**data, **grid(datasets=["x"])}).datasets["x"]

    plain = declared()
    assert not {"white", "black"} & plain.declaration.keys()
    assert declared(white=None, black=0).id == plain.id
    assert declared(white=4095).declaration["white"] == 4095
    ids = {plain.id, declared(white=4095).id, declared(white=4095, black=-1).id}
    assert len(ids) == 3
    with pytest.raises(UserError, match="data set .x.: black 5 is not below white 5"):
        declared(white=5, black=5)


def test_a_root_that_is_not_there_is_named(tmp_path: Path) -> None:
    data = {"datasets": {"x": {"kind": "chexpert", "root": str(tmp_path / "nowhere")}}}
    with pytest.raises(UserError, match=r"nowhere, which does not exist; correct"):
        planned(tmp_path, {**data, **grid(datasets=["x"])})
    data["datasets"]["x"]["root"] = str(tmp_path)
    with pytest.raises(UserError, match=r"has no train\.csv in .* point"):
        planned(tmp_path, {**data, **grid(datasets=["x"])})


def test_planning_and_readers_name_the_same_things() -> None:
    # planning may not import data, whose modules it hashes.
    from transfergrid.data import chexpert_places

    for kind in DATASET_KINDS:
        module, _, function = kind.reader.partition(":")
        assert callable(getattr(importlib.import_module(module), function))
    assert set(label_tables.CHEXPERT_FOLDERS) == set(chexpert_places.FOLDERS)
    assert label_tables.CHEXPERT_BATCH == chexpert_places.TABLES_BATCH
    assert set(label_tables.CHEXPERT_TABLES) == {
        "train.csv",
        "valid.csv",
        *chexpert_places.TEST_TABLES,
    }


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (b"<html>sign in</html>", "a web page"),
        (b"nothing", "broken; restore it"),
        (b"", "empty"),
    ],
)
def test_an_archive_that_is_none_is_named(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(UserError, match=f"'x': .* is not a readable .npz file: it is {told}"):
        resolve_dataset("x", {"kind": "medmnist", "root": str(tmp_path / "a.npz")})


def test_an_archive_with_a_broken_member_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, train_labels=np.arange(1000))
    content = bytearray(path.read_bytes())
    content[80:120] = bytes(40)
    path.write_bytes(content)
    with pytest.raises(UserError, match="it is broken; restore it"):
        resolve_dataset("x", {"kind": "medmnist", "root": str(path)})


def test_the_tables_of_the_full_chexpert_are_found_and_hashed(tmp_path: Path) -> None:
    make_chexpert(tmp_path, np.random.default_rng(0), folder="CheXpert-v1.0")
    in_batches(tmp_path, test_beside=True)
    base = tmp_path / "CheXpert-v1.0 batch 1 (validate & csv)"
    tables = {base / "train.csv", base / "valid.csv", tmp_path / "test.csv"}
    for root in (tmp_path, base):
        found = resolve_dataset("x", {"kind": "chexpert", "root": str(root)}).declaration["tables"]
        assert {(root / name).resolve() for name in found} == tables
        assert all(found[name] == sha256_file(root / name) for name in found)


def test_edits_after_planning_stop_a_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "plugged_net.py").write_text("def net(outputs, truncation):\n    return 1\n")
    own: dict[str, Any] = {"architectures": {"mine": {"factory": "plugged_net:net"}}}
    study = planned(tmp_path, {**own, **grid(architectures=["mine"], truncations=[0])})
    spec = json.loads(study.targets[0].spec)
    hold_cell(spec)
    for part, told in (("task", "its kind|kind of task"), ("metric", "code of metric 'auroc'")):
        edited = {**spec, "code": {**spec["code"], part: "0" * 16}}
        with pytest.raises(UserError, match=f"{told}.* was edited"):
            hold_cell(edited)
    (tmp_path / "plugged_net.py").write_text("def net(outputs, truncation):\n    return 2\n")
    with pytest.raises(UserError, match="code of plugged_net:net was edited"):
        hold_cell(spec)

    file = tmp_path / "w.safetensors"
    file.write_bytes(b"1")
    settings = {"pretrainings": {"file": {"kind": "file", "path": str(file)}}}
    (weights,) = planned(tmp_path, {**settings, **grid(pretrainings=["file"])}).weights.values()
    check_weights(weights.location)
    file.write_bytes(b"2")
    with pytest.raises(UserError, match="the file or the code behind lcnet_050-file"):
        check_weights(weights.location)


def test_a_wheel_that_would_be_read_otherwise_stops_a_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ((package, entry),) = list(known_wheels().items())[:1]
    settings = {"pretrainings": {"wheel": {"kind": "wheel", "package": package}}}
    axes = {"pretrainings": ["wheel"], "architectures": [entry["architecture"]], "truncations": [0]}
    (weights,) = planned(tmp_path, {**settings, **grid(**axes)}).weights.values()
    check_weights(weights.location)
    edited = {package: {**entry, "padding": "other"}}
    for wheels in (edited, {}):
        monkeypatch.setattr(weight_sources, "known_wheels", lambda wheels=wheels: wheels)
        with pytest.raises(UserError, match=r"the file or the code behind .*-wheel-"):
            check_weights(weights.location)
