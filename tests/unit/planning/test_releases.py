"""Weights of kind release: known by content and by how they are read, and by nothing else."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from unit.planning.made_up_plan import grid, planned

from transfergrid.planning import weight_sources
from transfergrid.planning.foreign import check_foreign
from transfergrid.planning.inputs import Weights, check_weights
from transfergrid.planning.paths import RESOURCES
from transfergrid.planning.releases import known_releases
from transfergrid.runtime.errors import UserError

AXES = grid(architectures=["resnet50"], pretrainings=["moco"], truncations=[0], seeds=[0])


def weights_of(folder: Path, path: Path, release: str = "moco_v2", **more: object) -> Weights:
    settings = {"kind": "release", "release": release, "path": str(path), **more}
    (found,) = planned(folder, {"pretrainings": {"moco": settings}, **AXES}).weights.values()
    return found


def test_a_release_is_known_by_content_and_not_by_place(tmp_path: Path) -> None:
    for name, content in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / f"{name}.pth").write_bytes(content)
    first = weights_of(tmp_path, tmp_path / "a.pth")
    assert first.declaration["padding"] == "symmetric"
    assert first.id == weights_of(tmp_path, tmp_path / "b.pth").id
    others = [
        weights_of(tmp_path, tmp_path / "c.pth"),
        weights_of(tmp_path, tmp_path / "a.pth", "moco_v1"),
        weights_of(tmp_path, tmp_path / "a.pth", input="bgr_caffe"),
    ]
    assert len({first.id, *(other.id for other in others)}) == 4
    check_weights(first.location)


def test_a_doubt_with_a_comma_is_one_doubt() -> None:
    doubts = {name: file.doubts for name, file in known_releases().items()}
    red = "it was trained with a red deviation of 0.228, where others use 0.229"
    assert doubts["swav"] == doubts["deepcluster_v2"] == (red,)
    lines = (RESOURCES / "weights.yaml").read_text(encoding="utf-8").splitlines()
    lists = [yaml.safe_load(line)["doubts"] for line in lines if "doubts: [" in line]
    assert lists and all(len(one) == 1 for one in lists)  # YAML takes a comma for the next


def test_an_edited_rule_or_input_stops_a_job_and_renames_the_weights_of_that_release_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(b"1")
    moco, swav = (weights_of(tmp_path, path, name) for name in ("moco_v2", "swav"))
    file = known_releases()["moco_v2"]
    (layout, source), *_ = file.layouts
    edits = {
        "rule": replace(file, layouts=((replace(layout, leave=()), source),)),
        "input": replace(file, std=(0.5, 0.5, 0.5)),
    }
    for edited in edits.values():
        rows = {**known_releases(), "moco_v2": edited}
        monkeypatch.setattr(weight_sources, "find_release", lambda name, *_, rows=rows: rows[name])
        with pytest.raises(UserError, match=r"the file or the code behind resnet50-moco-.* edited"):
            check_weights(moco.location)
        check_weights(swav.location)
        assert weights_of(tmp_path, path).id != moco.id
    # Words about it are no part of it.
    told = replace(file, title="Momentum contrast", doubts=("none",), licence="MIT")
    rows = {**known_releases(), "moco_v2": told}
    monkeypatch.setattr(weight_sources, "find_release", lambda name, *_: rows[name])
    check_weights(moco.location)


def test_the_code_that_reads_releases_is_part_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(b"1")
    moco = weights_of(tmp_path, path)
    monkeypatch.setattr(weight_sources, "kind_fingerprint", lambda kind: f"edited {kind}")
    with pytest.raises(UserError, match=r"the file or the code behind resnet50-moco-.* edited"):
        check_weights(moco.location)


@pytest.mark.parametrize(
    ("release", "network", "told"),
    [
        ("moco-v2", "resnet50", r"release 'moco-v2' is not known \(did you mean 'moco_v2'\?\)"),
        ("moco_v2", "resnet18", r"'moco_v2' fits architecture 'resnet50', not 'resnet18'; give it"),
        ("moco_v2", "resnet50_slim3", "fits architecture 'resnet50', not 'resnet50_slim3'"),
    ],
)
def test_what_cannot_be_is_refused_at_planning(
    tmp_path: Path, release: str, network: str, told: str
) -> None:
    (tmp_path / "a.pth").write_bytes(b"1")
    settings = {"kind": "release", "release": release, "path": str(tmp_path / "a.pth")}
    axes = grid(architectures=[network], pretrainings=["moco"], truncations=[0], seeds=[0])
    with pytest.raises(UserError, match=f"pretraining 'moco': .*{told}|{told}"):
        planned(tmp_path, {"pretrainings": {"moco": settings}, **axes})


def foreign_files(folder: Path) -> dict[str, Path]:
    """Files as JAX, TensorFlow and Keras leave them: their first and last bytes, and names."""
    table = b"\0" * 40 + bytes.fromhex("57fb808b247547db")
    jax = b"\x80\x04\x95" + b"\x8c\x10experiment_state\x94\x8c\x15haiku._src.structures"
    written = {
        "pretrain_res50x1.pkl": jax,
        "byol.pth": jax,
        "model.ckpt-225206.index": table,
        "model.ckpt-225206.data-00000-of-00001": b"\1\2\3",
        "resnet50_no_top.h5": b"\x89HDF\r\n\x1a\n\0\0",
        "variables.ckpt": table,
    }
    for name, content in written.items():
        (folder / name).write_bytes(content)
    (folder / "saved").mkdir()
    (folder / "saved" / "saved_model.pb").write_bytes(b"\x08\x01")
    return {name: folder / name for name in (*written, "saved", "model.ckpt-225206")}


CONVERSIONS = {
    "pretrain_res50x1.pkl": "byol-convert",
    "byol.pth": "byol-convert",
    "model.ckpt-225206.index": "tonylins/simclr-converter",
    "model.ckpt-225206.data-00000-of-00001": "Separius/SimCLRv2-Pytorch",
    "resnet50_no_top.h5": "the program that wrote",
    "variables.ckpt": "tonylins/simclr-converter",
    "saved": "saved model of TensorFlow",
    "model.ckpt-225206": "tonylins/simclr-converter",
}


@pytest.mark.parametrize("name", CONVERSIONS)
@pytest.mark.parametrize("kind", ["release", "file"])
def test_files_of_jax_and_tensorflow_are_refused_with_their_conversion(
    tmp_path: Path, name: str, kind: str
) -> None:
    path = foreign_files(tmp_path)[name]
    with pytest.raises(UserError, match=CONVERSIONS[name]) as raised:
        check_foreign(path)
    assert f"/{path.name} is " in str(raised.value)
    settings = {"kind": kind, "path": str(path)} | (
        {"release": "byol"} if kind == "release" else {}
    )
    with pytest.raises(UserError, match=CONVERSIONS[name]):
        planned(tmp_path, {"pretrainings": {"moco": settings}, **AXES})


def test_plain_pickles_of_torch_and_of_others_are_left_to_their_reader(tmp_path: Path) -> None:
    (tmp_path / "own.pth").write_bytes(pickle.dumps({"state_dict": {}}))
    (tmp_path / "own.safetensors").write_bytes(b"\2\0\0\0\0\0\0\0{}")
    (tmp_path / "empty.pth").write_bytes(b"")
    for name in ("own.pth", "own.safetensors", "empty.pth", "absent.pth"):
        check_foreign(tmp_path / name)
