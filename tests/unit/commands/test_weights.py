"""`transfergrid weights` says what a file is, what fits, and what nobody can know."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from unit.models.released_files import HEAD, contents, of_torchvision

from transfergrid.commands import weights
from transfergrid.commands.main import main
from transfergrid.models.zoo import build
from transfergrid.planning.wheels import known_wheels
from transfergrid.runtime.hashing import sha256_file

WHOLE = of_torchvision()
BODY = {name: tensor for name, tensor in WHOLE.items() if name not in HEAD}
MADE = contents(BODY, {name: WHOLE[name] for name in HEAD}, {})


def written(path: Path, content: Mapping[str, Any]) -> Path:
    """Save what a file of a layout holds; its tensors share one zero, so that it is small."""

    def small(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: small(item) for key, item in value.items()}
        return torch.zeros(()).expand(value.shape) if isinstance(value, Tensor) else value

    torch.save(small(dict(content)), path)
    return path


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*words: object) -> tuple[int, list[tuple[str, str]]]:
        status = main(["weights", *map(str, words)])
        said = capsys.readouterr()
        lines = (said.out + said.err).splitlines()
        parts = [(line[:14].strip(), line[15:]) for line in lines]
        faults = [("error", line) for line in lines if line.startswith("error: ")]
        return status, [part for part in parts if not part[0].startswith("error")] + faults

    return run


def of(lines: list[tuple[str, str]], word: str) -> list[str]:
    return [rest for first, rest in lines if first == word]


def test_a_file_is_told_by_its_tensors_and_its_name(tmp_path: Path, told: Any) -> None:
    path = written(tmp_path / "PCL_v2_epoch200.pth.tar", MADE["moco_mlp"]())
    status, lines = told(path)
    assert status == 0
    (holds,) = of(lines, "holds")
    assert holds.startswith("646 tensors under state_dict: module.encoder_q (322), module.enc")
    assert [fit.split(" ")[0] for fit in of(lines, "fits")] == [
        *("moco_v2", "pcl_v2", "inat2021_mini_moco_v2"),
    ]
    (tensors,) = of(lines, "tensors")
    assert tensors.startswith("318 of 320 matched; the file lacks fc.weight, fc.bias; left out mod")
    assert of(lines, "rule read in")[0].startswith("salesforce/PCL @ 964da1f: eval_cls")
    assert of(lines, "input") == ["rgb, mean [0.485, 0.456, 0.406], std [0.229, 0.224, 0.225]"]
    assert of(lines, "licence") == ["MIT (repository)"]
    doubts = of(lines, "doubtful")
    assert doubts[0].startswith("its tensors do not tell it from moco_v2, inat2021_mini_moco_v2; ")
    assert doubts[0].endswith("because the file is called like it")
    assert doubts[1:] == ["no hash of it is published, so nothing proves that a file is this one"]
    assert of(lines, "study") == [
        f'pcl_v2: {{ kind: release, release: pcl_v2, path: "{path}" }}',
    ]


def test_what_was_not_verified_is_said(tmp_path: Path, told: Any) -> None:
    path = written(tmp_path / "selav2_400ep_pretrain.pth.tar", MADE["swav_many_prototypes"]())
    status, lines = told(path)
    doubts = of(lines, "doubtful")
    assert status == 0 and of(lines, "rule read in")[0].startswith("unverified: its training code")
    assert any(doubt.startswith("its layout is unverified: ") for doubt in doubts)
    assert any(doubt.startswith("its input is unverified: ") for doubt in doubts)
    path = path.rename(tmp_path / "mine.pth")
    status, lines = told(path)
    doubts = of(lines, "doubtful")
    assert doubts[0].endswith("sela_v2; it was chosen because it is listed first")
    assert "the release is called deepclusterv2_800ep_pretrain.pth.tar, this file is not" in doubts


def test_what_a_study_would_refuse_ends_with_status_1(tmp_path: Path, told: Any) -> None:
    path = written(tmp_path / "moco_v2_800ep_pretrain.pth.tar", MADE["moco_mlp"]())
    status, lines = told(path)
    assert status == 1 and not of(lines, "study")
    assert lines[-1][1].startswith(f"error: {path} has the MD5 ")
    assert "begins with a04e12f8; get it again" in lines[-1][1]
    near = MADE["moco_linear"]()
    near["state_dict"]["module.encoder_q.layer5.0.conv1.weight"] = torch.zeros(1)
    path = written(tmp_path / "PCL_v1_epoch200.pth.tar", near)
    status, lines = told(path, "--architecture", "resnet50")
    assert status == 1 and of(lines, "rule") == ["none of resources/weights.yaml fits"]
    assert "is not the release pcl_v1" in lines[-1][1] and "layer5.0.conv1" in lines[-1][1]


def test_a_near_miss_of_any_name_is_told_what_it_lacks(tmp_path: Path, told: Any) -> None:
    near = MADE["moco_mlp"]()
    del near["state_dict"]["module.encoder_q.layer3.2.bn2.running_var"]
    path = written(tmp_path / "mine.pth", near)
    status, lines = told(path)
    assert status == 1 and lines[-1][1].startswith(
        f"error: {path} is not the release moco_v2 (moco_v2_800ep_pretrain.pth.tar, layout "
        f"moco_mlp): weight file {path} lacks 1 of the "
    )
    assert "(layer3.2.bn2.running_var)" in lines[-1][1]
    assert "transfergrid weights" not in lines[-1][1]  # which has just been run


def test_a_networks_own_names_are_found_without_naming_it(tmp_path: Path, told: Any) -> None:
    lcnet = {"name": "lcnet_050", "timm": "lcnet_050.ra2_in1k", "factory": None}
    path = tmp_path / "mine.safetensors"
    made_by = {"source": "our own training", "licence": "CC0"}
    save_file(build(lcnet, 7, 0, seed=1).state_dict(), path, made_by)
    status, lines = told(path)
    assert status == 0
    assert of(lines, "fits") == ["its own names, layout timm, network lcnet_050.ra2_in1k"]
    assert of(lines, "study") == [f'mine: {{ kind: file, path: "{path}" }}']
    assert (of(lines, "origin"), of(lines, "licence")) == (["our own training"], ["CC0"])
    status, lines = told(path, "--architecture", "resnet18")
    assert status == 1 and "does not fit resnet18.tv_in1k" in lines[-1][1]
    status, lines = told(path, "--architecture", "lcnet")
    assert status == 1 and "architecture 'lcnet' does not exist" in lines[-1][1]


def test_a_file_of_another_program_is_refused_with_its_conversion(
    tmp_path: Path, told: Any
) -> None:
    path = tmp_path / "pretrain_res50x1.pkl"
    path.write_bytes(b"\x80\x04\x95" + b"experiment_state" + b"haiku")
    status, lines = told(path)
    assert status == 1 and "ajtejankar/byol-convert" in lines[-1][1]
    status, lines = told(tmp_path / "none.pth")
    assert status == 1 and "does not exist" in lines[-1][1]


def test_the_file_of_a_listed_package_is_told_by_its_hash(
    tmp_path: Path, told: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "efficientnet.pth"
    torch.save({"_conv.weight": torch.zeros(1)}, path)
    (package, entry), *_ = known_wheels().items()
    listed = {package: {**entry, "sha256": sha256_file(path)}}
    monkeypatch.setattr(weights, "known_wheels", lambda: listed)
    status, lines = told(path)
    assert status == 0
    assert of(lines, "fits") == [f"the package {package} 0.1.0: its hash is the listed one"]
    assert of(lines, "study") == [f"{{ kind: wheel, package: {package} }}"]


@pytest.mark.parametrize("content", [{}, {"epoch": 3}, [torch.zeros(2)], torch.zeros(2)])
def test_a_file_without_tensors_by_name_is_told_so(tmp_path: Path, told: Any, content: Any) -> None:
    torch.save(content, tmp_path / "odd.pth")
    status, lines = told(tmp_path / "odd.pth")
    assert status == 1 and "holds no tensors by name" in lines[-1][1]
    assert not of(lines, "rule") and " kB, SHA-256" in of(lines, "file")[0]


def test_a_folder_is_not_said_to_be_missing(tmp_path: Path, told: Any) -> None:
    status, lines = told(tmp_path)
    assert status == 1 and "is a folder; name the weight file in it" in lines[-1][1]


def test_one_tensor_is_told_in_the_singular(tmp_path: Path, told: Any) -> None:
    torch.save({"conv.weight": torch.zeros(8, 3, 3, 3)}, tmp_path / "one.pth")
    assert of(told(tmp_path / "one.pth")[1], "holds") == ["1 tensor at the top: conv.weight (1)"]


@pytest.mark.parametrize("padding", [None, "same"])
def test_the_line_for_a_study_asks_for_the_padding_where_it_is_needed(
    tmp_path: Path, told: Any, padding: str | None
) -> None:
    lcnet = {"name": "lcnet_050", "timm": "lcnet_050.ra2_in1k", "factory": None}
    state = build(lcnet, 7, 0, seed=1).state_dict()
    norms = [name.removesuffix("running_mean") for name in state if name.endswith("running_mean")]
    state.update({f"{norm}bias": torch.ones_like(state[f"{norm}bias"]) for norm in norms})
    notes = {"source": "a converter", **({"padding": padding} if padding else {})}
    save_file(state, tmp_path / "folded.safetensors", notes)
    status, lines = told(tmp_path / "folded.safetensors")
    (doubt,), (line,) = of(lines, "doubtful"), of(lines, "study")
    assert status == 0 and doubt.startswith("its batch norms are folded")
    assert ("a study has to give it the padding" in doubt) == (padding is None)
    assert ("padding: SAME_OR_SYMMETRIC" in line) == (padding is None)
