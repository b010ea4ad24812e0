"""Parameters, multiply-accumulates and maps against hooks, hand counts and published values."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from torch import Tensor, nn

from transfergrid.models.cost import cost, smallest_px
from transfergrid.models.zoo import build
from transfergrid.runtime.errors import UserError

NETWORKS = [
    *product(("lcnet_050.ra2_in1k", "mobilenetv3_small_050.lamb_in1k", "resnet18.tv_in1k"), (0, 2)),
    # Convolutions of classes made from Conv2d, which counters that go by the class leave out.
    ("tf_efficientnet_lite0.in1k", 0),
    ("tf_efficientnet_lite0.in1k", 2),
    ("nf_regnet_b1.ra2_in1k", 0),
]


def hooked_macs(model: nn.Module, images: Tensor) -> int:
    """Count by hooks: every output element of a layer costs its receptive weights."""
    total = 0

    def count(module: nn.Module, _: object, output: Tensor) -> None:
        nonlocal total
        weight = module.weight
        total += output.numel() * math.prod(weight.shape[1:])

    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    with torch.inference_mode():
        model.eval()(images)
    return total


@pytest.mark.parametrize(("name", "truncation"), NETWORKS)
def test_macs_equal_a_count_by_hooks(name: str, truncation: int) -> None:
    model = build({"timm": name}, 5, truncation, seed=0)
    counted = cost({"timm": name}, 5, truncation, 64)
    assert counted.macs == hooked_macs(model, torch.zeros(1, 3, 64, 64))
    assert counted.params == sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("resnet18.tv_in1k", "1.82"),
        ("resnet34.tv_in1k", "3.67"),
        ("efficientnet_b0.ra_in1k", "0.40"),
        ("mobilenetv2_100.ra_in1k", "0.31"),
    ],
)
def test_macs_agree_with_timms_table(name: str, published: str) -> None:
    """Giga-MACs at 224 px with 1000 outputs, from timm's benchmark tables."""
    counted = cost({"timm": name}, 1000, 0, 224).macs / 1e9
    assert counted == pytest.approx(float(published), abs=0.0151)


def test_macs_grow_with_the_area_and_do_not_touch_parameters() -> None:
    small, large = (cost({"timm": "resnet18.tv_in1k"}, 5, 0, px) for px in (64, 128))
    head = 512 * 5
    assert large.macs - head == 4 * (small.macs - head)
    assert small.params == large.params


def test_too_small_an_input_is_refused() -> None:
    with pytest.raises(UserError, match="cannot take images of 20 px"):
        cost({"timm": "inception_v3.tv_in1k"}, 5, 0, 20)


@pytest.mark.parametrize(
    ("name", "truncation", "expected"),
    [("resnet18.tv_in1k", 0, 33), ("resnet18.tv_in1k", 3, 5), ("lcnet_050.ra2_in1k", 2, 17)],
)
def test_the_smallest_input_halves_five_times_to_two(
    name: str, truncation: int, expected: int
) -> None:
    """Each halving rounds up, so two pixels after n halvings need 2**n + 1."""
    assert smallest_px({"timm": name}, truncation) == expected


class Rated(nn.Module):
    """A network of a user's own that computes a rate for each of its layers while it is made."""

    def __init__(self, outputs: int, truncation: int) -> None:
        super().__init__()
        self.rates = [rate.item() for rate in torch.linspace(0, 0.1, 3)]
        self.head = nn.Linear(3, outputs)

    def get_classifier(self) -> nn.Linear:
        return self.head

    def forward(self, images: Tensor) -> Tensor:
        return self.head(images.mean(dim=(2, 3)))


def test_a_network_that_computes_while_it_is_made_is_counted() -> None:
    counted = cost({"factory": f"{__name__}:{Rated.__name__}"}, 5, 0, 16)
    assert (counted.params, counted.macs) == (20, 15)
