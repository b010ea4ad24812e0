"""Cuts against golden counts, and features against forward hooks on the whole network."""

from __future__ import annotations

import copy
import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from transfergrid.models.cost import cost, last_map
from transfergrid.models.truncation import blocks_of, max_truncation, truncate
from transfergrid.models.zoo import build, head_of
from transfergrid.planning.architectures import known_architectures
from transfergrid.runtime.errors import UserError

RESOURCES = Path(__file__).parents[3] / "resources"


def read(name: str) -> list[dict[str, str]]:
    with open(RESOURCES / name, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


GOLDEN = read("truncation.csv")
KNOWN = {row["name"]: row for row in read("architectures.csv")}

# The layer whose output is the last map, for 0, 1, 2, ... dropped blocks; written by hand.
STAGES_7 = ["bn2", *(f"blocks.{i}" for i in (5, 4, 3, 2, 1, 0))]
STAGES_7_V3 = [f"blocks.{i}" for i in (6, 5, 4, 3, 2, 1, 0)]
STAGES_6 = [f"blocks.{i}" for i in (5, 4, 3, 2, 1, 0)]
RESNET = ["layer4", "layer3", "layer2", "layer1"]
DENSENET = ["features.norm5", *(f"features.denseblock{i}" for i in (3, 2, 1))]
LAST_LAYER = {
    "densenet121": (64, DENSENET),
    "resnet18": (64, RESNET),
    "resnet50": (64, RESNET),
    "inception_v3": (107, ["Mixed_7c", "Mixed_6e", "Mixed_5d", "Conv2d_4a_3x3"]),
    "inception_v4": (107, [f"features.{i}" for i in (21, 17, 9, 3)]),
    "efficientnet_b0": (64, STAGES_7),
    "tf_efficientnet_lite0": (64, STAGES_7),
    "mnasnet_100": (64, STAGES_7),
    "mobilenetv2_100": (64, STAGES_7),
    "mobilenetv3_large_100": (64, STAGES_7_V3),
    "mobilenetv3_small_050": (64, STAGES_6),
    "lcnet_050": (64, STAGES_6),
    "cbr_larget": (64, ["block4", "block3", "block2", "block1"]),
    "cbr_tiny_32": (64, ["block3", "block2", "block1"]),
    "resnet18_slim2": (64, RESNET),
}


def architecture(name: str) -> dict[str, Any]:
    return known_architectures()[name].record(image_px=64)


def on_meta(name: str, drop: int = 0) -> nn.Module:
    with torch.device("meta"):
        return build(architecture(name), 14, drop, seed=0)


def params(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("row", GOLDEN, ids=lambda row: row["variant"])
def test_golden_cuts_have_their_parameters_channels_maps_and_macs(row: dict[str, str]) -> None:
    name, drop = row["architecture"], int(row["drop"])
    counted = cost(architecture(name), 14, drop, 320)
    assert counted.params == int(row["params_14"])
    assert f"{counted.macs / 1e9:.2f}" == row["gmac_at_320"]
    network = on_meta(name, drop).eval()
    assert last_map(network, 320) == (int(row["map_at_320"]),) * 2
    assert head_of(network).in_features == int(row["channels"])


@pytest.mark.parametrize("name", KNOWN)
def test_every_cut_of_every_network_builds_runs_and_nests(name: str) -> None:
    """Each cut at 320 px on the meta device is the whole network less its last blocks."""
    whole = on_meta(name)
    blocks = [sum(params(module) for module in block) for block in blocks_of(whole)]
    assert params(whole) == sum(blocks) + params(head_of(whole)) == int(KNOWN[name]["params_14"])
    assert len(blocks) == int(KNOWN[name]["max_truncation"]) + 2
    assert max_truncation(whole) == int(KNOWN[name]["max_truncation"])
    keys = set(whole.state_dict())
    with torch.device("meta"):
        images = torch.empty(1, 3, 320, 320)
    for drop in range(int(KNOWN[name]["max_truncation"]) + 1):
        model = on_meta(name, drop).eval()
        width = head_of(model).in_features
        body = sum(blocks[: len(blocks) - drop])
        assert params(model) == body + 14 * width + 14
        assert set(model.state_dict()) <= keys
        keys = set(model.state_dict())
        assert model(images).shape == (1, 14)
        assert len(blocks_of(model)) == len(blocks) - drop


@pytest.mark.parametrize("name", LAST_LAYER)
def test_features_equal_the_whole_networks_bit_for_bit(name: str) -> None:
    px, layers = LAST_LAYER[name]
    assert len(layers) == known_architectures()[name].max_truncation + 1
    images = torch.randn(1, 3, px, px, generator=torch.Generator().manual_seed(1))
    whole = build(architecture(name), 5, 0, seed=3).eval()
    copies = [copy.deepcopy(whole) for _ in layers]
    seen: dict[str, Tensor] = {}
    for layer in layers:
        whole.get_submodule(layer).register_forward_hook(
            lambda _module, _inputs, output, layer=layer: seen.update({layer: output.clone()})
        )
    with torch.inference_mode():
        whole(images)
        for drop, layer in enumerate(layers):
            cut = truncate(copies[drop], drop)
            cut.reset_classifier(5, "avg")
            features = cut.forward_features(images)
            assert torch.equal(features, seen[layer]), (layer, drop)
            if drop:  # global average pooling and one linear layer, nothing between
                expected = head_of(cut)(features.mean((2, 3)))
                torch.testing.assert_close(cut(images), expected)


def test_blocks_are_disjoint_and_follow_the_forward_pass() -> None:
    for name in ("densenet121", "inception_v3", "efficientnet_b0", "mobilenetv3_small_050"):
        model = on_meta(name)
        owners = [id(p) for block in blocks_of(model) for m in block for p in m.parameters()]
        assert len(owners) == len(set(owners))
        order = {id(p): i for i, p in enumerate(model.parameters())}
        assert owners == sorted(owners, key=order.__getitem__)


def test_a_dense_block_owns_the_transition_before_it() -> None:
    blocks = blocks_of(on_meta("densenet121"))
    kinds = [[type(module).__name__ for module in block] for block in blocks]
    assert kinds[1] == ["DenseBlock"]
    assert kinds[4] == ["DenseTransition", "DenseBlock", "BatchNormAct2d"]


@pytest.mark.parametrize("drop", [-1, 4])
def test_a_cut_out_of_range_names_the_range(drop: int) -> None:
    with pytest.raises(UserError, match="0 to 3"):
        truncate(on_meta("resnet18"), drop)


def test_networks_without_a_definition_are_whole_only() -> None:
    with torch.device("meta"):
        model = build({"timm": "vit_tiny_patch16_224.augreg_in21k_ft_in1k"}, 2, 0, seed=0)
    assert max_truncation(model) == 0
    with pytest.raises(UserError, match="not defined for VisionTransformer"):
        truncate(model, 1)
    with pytest.raises(UserError, match="blocks of VisionTransformer are not known"):
        blocks_of(model)
