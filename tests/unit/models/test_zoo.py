"""Seeds, heads and factories."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import nn

from transfergrid.models.zoo import (
    build,
    default_preprocessing,
    head_keys,
    head_of,
    load_function,
    padding_of,
    timm_preprocessing,
)
from transfergrid.runtime.errors import UserError

LCNET = {"timm": "lcnet_050.ra2_in1k", "factory": None}


class Small(nn.Module):
    def __init__(self, outputs: int, truncation: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*(nn.Conv2d(3, 3, 3) for _ in range(3 - truncation)))
        self.head = nn.Linear(3, outputs)

    def get_classifier(self) -> nn.Linear:
        return self.head

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(images).mean((2, 3)))


@pytest.fixture
def own() -> Iterator[types.ModuleType]:
    module = types.ModuleType("own_networks")
    sys.modules["own_networks"] = module
    yield module
    del sys.modules["own_networks"]


def test_a_seed_gives_equal_weights_and_another_seed_others() -> None:
    first, second = build(LCNET, 3, 0, seed=5), build(LCNET, 3, 0, seed=5)
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]), name
    other = build(LCNET, 3, 0, seed=6).state_dict()
    assert not torch.equal(first.state_dict()["conv_stem.weight"], other["conv_stem.weight"])
    assert not torch.equal(head_of(first).weight, other["classifier.weight"])


def test_weights_depend_neither_on_outputs_nor_on_the_cut() -> None:
    whole, cut = build(LCNET, 14, 0, seed=5).state_dict(), build(LCNET, 2, 3, seed=5)
    for name, tensor in cut.state_dict().items():
        if name not in head_keys(cut):
            assert torch.equal(tensor, whole[name]), name


def test_the_global_generator_is_not_disturbed() -> None:
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    build(LCNET, 3, 2, seed=5)
    assert torch.equal(torch.rand(3), expected)


def test_the_global_generator_has_no_influence() -> None:
    torch.manual_seed(1)
    first = build(LCNET, 3, 0, seed=5).state_dict()
    torch.manual_seed(2)
    second = build(LCNET, 3, 0, seed=5).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_heads_of_equal_width_are_equal_across_architectures() -> None:
    names = ("resnet18.tv_in1k", "resnet34.tv_in1k")
    heads = [head_of(build({"timm": name}, 14, 0, seed=2)) for name in names]
    densenet = head_of(build({"timm": "densenet121.tv_in1k"}, 14, 2, seed=2))
    assert torch.equal(heads[0].weight, heads[1].weight)
    assert torch.equal(heads[0].weight, densenet.weight)
    assert all(not head.bias.any() for head in (*heads, densenet))


def test_heads_are_normal_with_deviation_one_hundredth() -> None:
    weight = head_of(build({"timm": "mobilenetv3_large_100.ra_in1k"}, 100, 0, seed=0)).weight
    assert weight.shape == (100, 1280)
    assert weight.std().item() == pytest.approx(0.01, rel=0.02)
    assert weight.mean().item() == pytest.approx(0, abs=1e-4)


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"did you mean 'lcnet_050.ra2_in1k'"):
        build({"timm": "lcnet_050.ra2_in1"}, 2, 0, seed=0)


def test_a_factory_gets_outputs_and_truncation_and_the_common_head(own: types.ModuleType) -> None:
    own.net = Small
    entry = {"timm": None, "factory": "own_networks:net"}
    model = build(entry, 4, 2, seed=1)
    again = build(entry, 4, 2, seed=1)
    assert len(model.body) == 1 and head_of(model).out_features == 4
    assert torch.equal(model.body[0].weight, again.body[0].weight)
    assert head_of(model).weight.abs().max() < 0.06 and not head_of(model).bias.any()
    assert head_keys(model) == ["head.weight", "head.bias"]
    assert default_preprocessing(entry).mean == (0.485, 0.456, 0.406)


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (lambda outputs, truncation: 3, "returned int"),
        (lambda outputs, truncation: nn.Linear(2, outputs), "no linear classifier"),
        (
            lambda outputs, truncation: Small(outputs + 1, truncation),
            "5 outputs; it was asked for 4",
        ),
    ],
)
def test_a_factory_that_breaks_the_contract_is_told_so(
    own: types.ModuleType, factory: Callable[[int, int], object], message: str
) -> None:
    own.net = factory
    with pytest.raises(UserError, match=message):
        build({"factory": "own_networks:net"}, 4, 0, seed=0)


def test_missing_modules_and_functions_are_named(own: types.ModuleType) -> None:
    with pytest.raises(UserError, match="module nowhere_at_all was not imported"):
        load_function("nowhere_at_all:f")
    with pytest.raises(UserError, match="no such function"):
        load_function("own_networks:absent")


def test_padding_variants_are_told_apart() -> None:
    with torch.device("meta"):
        tensorflow = build({"timm": "tf_efficientnet_lite0.in1k"}, 2, 0, seed=0)
        pytorch = build({"timm": "efficientnet_lite0.ra_in1k"}, 2, 0, seed=0)
    assert (padding_of(tensorflow), padding_of(pytorch)) == ("same", "symmetric")


def test_preprocessing_belongs_to_the_tag() -> None:
    assert timm_preprocessing("inception_v4.tf_in1k").mean == (0.5, 0.5, 0.5)
    resnet = timm_preprocessing("resnet18.tv_in1k")
    assert resnet.std == (0.229, 0.224, 0.225)
    assert (resnet.interpolation, resnet.source) == ("bilinear", "timm resnet18.tv_in1k")
    for name in ("resnet18", "resnet18.nobody"):
        with pytest.raises(UserError, match=r"pinned arch\.tag"):
            timm_preprocessing(name)
