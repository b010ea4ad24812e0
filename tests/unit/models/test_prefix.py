"""A network in two parts against the network itself, bit for bit."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from unit.models.test_truncation import architecture

from transfergrid.models.prefix import Front, Tail, as_input, check_division
from transfergrid.models.truncation import blocks_of, layers_of_last, truncate
from transfergrid.models.zoo import build
from transfergrid.planning.architectures import known_architectures
from transfergrid.planning.prefix import Prefix
from transfergrid.runtime.errors import UserError

PX = {"inception_v3": 107, "inception_v4": 107}
SEED = 3
# One of each class of network, with head convolutions before and after the pooling.
FAMILIES = [
    "cbr_larget",
    "cbr_tiny_32",
    "cbr_tiny_32_slim2",
    "densenet121",
    "inception_v3",
    "inception_v4",
    "lcnet_050",
    "mnasnet_100",
    "mobilenetv2_100",
    "mobilenetv3_small_050",
    "resnet18",
    "resnet18_slim2",
    "tf_efficientnet_lite0",
]


def built(name: str) -> nn.Module:
    """Return a network whose batch norms have statistics of their own, in evaluation mode."""
    model = build(architecture(name), 5, 0, SEED)
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
    return model.eval().to(memory_format=torch.channels_last)


def cut(whole: nn.Module, drop: int) -> nn.Module:
    """Return a copy of a network without its last blocks, with a head of its own."""
    model = truncate(copy.deepcopy(whole), drop)
    if drop:
        model.reset_classifier(5, "avg")
    return model.eval().to(memory_format=torch.channels_last)


def images(name: str) -> Tensor:
    px = PX.get(name, 64)
    drawn = torch.randn(2, 3, px, px, generator=torch.Generator().manual_seed(2))
    return drawn.to(memory_format=torch.channels_last)


def stored(features: Tensor) -> Tensor:
    """Return features as they come back from a file."""
    return torch.from_numpy(features.numpy().copy())


@pytest.mark.parametrize("name", FAMILIES)
def test_prefix_and_tail_are_the_network_at_every_cut(name: str) -> None:
    shown, deepest = images(name), known_architectures()[name].max_truncation
    whole = built(name)
    fronts = {drop: cut(whole, drop) for drop in range(deepest + 1)}
    with torch.inference_mode():
        for truncation, model in fronts.items():
            expected = model(shown)
            head = stored(Front(model, pooled=True)(shown))
            assert torch.equal(Tail(model, Prefix(truncation, True), truncation)(head), expected)
        for drop in range(1, deepest + 1):
            features = Front(fronts[drop], pooled=False)(shown)
            assert features.shape[-1] == known_architectures()[name].widths[drop]
            for truncation in {0, drop - 1}:
                tail = Tail(fronts[truncation], Prefix(drop, False), truncation)
                found = tail(as_input(stored(features)))
                assert torch.equal(found, fronts[truncation](shown)), (truncation, drop)


def test_the_tail_has_the_weights_that_learn_and_no_others() -> None:
    model = built("resnet18")
    tail = Tail(model, Prefix(2, False), 0)
    features = torch.randn(2, 128, 8, 8, requires_grad=True)
    tail(features).sum().backward()
    touched = {name for name, p in model.named_parameters() if p.grad is not None}
    wanted = [p for block in blocks_of(model)[-2:] for m in block for p in m.parameters()]
    wanted += list(model.get_classifier().parameters())
    assert touched == {n for n, p in model.named_parameters() if any(p is w for w in wanted)}


@pytest.mark.parametrize("last", [4, 5, 9])
def test_a_tail_that_leaves_less_than_stem_and_a_block_is_refused(last: int) -> None:
    with pytest.raises(UserError, match="cannot be divided"):
        layers_of_last(built("resnet18"), last)


class Own(nn.Module):
    """A network of a user's own, which may do what the features could not show."""

    def __init__(self, dropout: float = 0.0, after: bool = False) -> None:
        super().__init__()
        self.body, self.drop = nn.Conv2d(3, 4, 3), nn.Dropout(dropout)
        self.fc, self.after = nn.Linear(4, 2), after

    def get_classifier(self) -> nn.Linear:
        return self.fc

    def forward(self, shown: Tensor) -> Tensor:
        logits = self.fc(self.drop(self.body(shown).mean((2, 3))))
        return logits.tanh() if self.after else logits


@pytest.mark.parametrize(
    ("settings", "told"),
    [({}, None), ({"dropout": 0.5}, "draws at random"), ({"after": True}, "not those of its")],
)
def test_a_network_is_tried_before_its_features_stand_for_images(
    settings: dict[str, Any], told: str | None
) -> None:
    front = Front(Own(**settings), pooled=True)
    if told is None:
        check_division(front, images("own"))
        return
    with pytest.raises(UserError, match=told):
        check_division(front, images("own"))


def test_batch_statistics_in_a_frozen_prefix_are_those_it_has() -> None:
    """A frozen batch norm is in evaluation mode when its head is trained, so nothing is random."""
    check_division(Front(built("resnet18"), pooled=True), images("resnet18"))
