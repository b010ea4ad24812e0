"""Slim networks: counts by formula, and what they share with their bases."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

from transfergrid.models.cost import cost
from transfergrid.models.truncation import blocks_of
from transfergrid.models.zoo import build, head_of, label_of
from transfergrid.planning.architectures import base_of, known_architectures

KNOWN = known_architectures()
SLIM = [name for name in KNOWN if base_of(name)]
DEPTHS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3)}
COUNTED = {
    # parameters with five outputs
    "resnet18_slim1": 2_816_261,
    "resnet18_slim3": 3_391_557,
    "resnet34_slim3": 6_418_757,
    "resnet50_slim1": 5_907_653,
    "resnet50_slim2": 6_104_645,
    "resnet50_slim3": 7_140_421,
    "resnet50_slim4": 12_950_597,
    "cbr_larget_slim3": 2_917_413,
    "cbr_small_slim1": 557_797,
    "cbr_small_slim2": 708_389,
    "cbr_tiny_32_slim3": 669_349,
}


def resnet(blocks: tuple[int, ...], widths: list[int], expansion: int) -> int:
    """Count a ResNet's parameters from its layers: convolutions, two of a norm for each channel."""

    def convolved(before: int, after: int, side: int) -> int:
        return side * side * before * after + 2 * after

    total, before = convolved(3, 64, 7), 64
    for stage, (count, width) in enumerate(zip(blocks, widths, strict=True)):
        for number in range(count):
            after = width * expansion
            if expansion == 1:
                total += convolved(before, width, 3) + convolved(width, width, 3)
            else:
                total += convolved(before, width, 1) + convolved(width, width, 3)
                total += convolved(width, after, 1)
            if number == 0 and (stage or before != after):
                total += convolved(before, after, 1)
            before = after
    return total + 5 * before + 5


def cbr(kernel: int, widths: list[int]) -> int:
    convolutions = sum(kernel**2 * before * after for before, after in pairwise([3, *widths]))
    return convolutions + 2 * sum(widths) + 5 * widths[-1] + 5


def by_formula(name: str) -> int:
    base, whole = base_of(name) or (name, 9)
    if base in DEPTHS:
        widths = [64 * 2**n // (2 if n + 1 >= whole else 1) for n in range(4)]
        return resnet(DEPTHS[base], widths, 4 if base == "resnet50" else 1)
    kernel, full = {
        "cbr_larget": (7, [32, 64, 128, 256, 512]),
        "cbr_small": (7, [32, 64, 128, 256]),
        "cbr_tiny_32": (5, [32, 64, 128, 256]),
    }[base]
    return cbr(kernel, [width // (2 if n >= whole else 1) for n, width in enumerate(full)])


def on_meta(name: str, truncation: int = 0) -> nn.Module:
    with torch.device("meta"):
        return build(KNOWN[name].record(64), 5, truncation, seed=0)


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "cbr_small", *COUNTED])
def test_counts_follow_from_the_list_of_layers(name: str) -> None:
    counted = cost(KNOWN[name].record(64), 5, 0, 64).params
    assert counted == by_formula(name) == COUNTED.get(name, counted)


@pytest.mark.parametrize("name", SLIM)
def test_the_first_blocks_are_the_bases_and_later_ones_have_half_the_channels(name: str) -> None:
    base, whole = base_of(name) or ("", 0)
    slim, full = on_meta(name), on_meta(base)
    shared: dict[str, torch.Size] = {}
    for number, (ours, theirs) in enumerate(zip(blocks_of(slim), blocks_of(full), strict=True)):
        mine, other = (
            {key: tensor.shape for m in block for key, tensor in named(model, m).items()}
            for model, block in ((slim, ours), (full, theirs))
        )
        if number < whole:
            assert mine == other
            shared |= mine
        else:
            assert last_of(ours).out_channels * 2 == last_of(theirs).out_channels
    assert shared and head_of(slim).in_features * 2 == head_of(full).in_features


def named(model: nn.Module, part: nn.Module) -> dict[str, torch.Tensor]:
    """Return a part's tensors by their names in the network."""
    place = next(name for name, module in model.named_modules() if module is part)
    return {f"{place}.{key}": tensor for key, tensor in part.state_dict().items()}


def last_of(block: list[nn.Module]) -> nn.Conv2d:
    return [m for m in block[-1].modules() if isinstance(m, nn.Conv2d)][-1]


@pytest.mark.parametrize("name", ["resnet50_slim3", "resnet18_slim1", "cbr_larget_slim2"])
def test_slim_networks_are_cut_as_others(name: str) -> None:
    known = KNOWN[name]
    keys = set(on_meta(name).state_dict())
    for cut in range(known.max_truncation + 1):
        model = on_meta(name, cut)
        assert head_of(model).in_features == known.widths[cut]
        assert len(blocks_of(model)) == known.blocks - cut
        assert set(model.state_dict()) <= keys
        keys = set(model.state_dict())
        last = model.forward_features(torch.empty(1, 3, 64, 64, device="meta"))
        assert last.shape[1:] == (known.widths[cut], *[64 // known.strides[cut]] * 2)


def test_a_slim_cbr_starts_with_the_same_weights_as_its_base() -> None:
    """Of one seed; blocks are drawn in order."""
    slim, base = (build(KNOWN[n].record(64), 5, 0, 7) for n in ("cbr_small_slim2", "cbr_small"))
    state = base.state_dict()
    first = [key for key in state if key.startswith(("stem.", "block1."))]
    assert all(torch.equal(slim.state_dict()[key], state[key]) for key in first)
    assert {"cbr_small_slim2", "resnet50_slim1"} == {
        label_of(KNOWN[name].record(64)) for name in ("cbr_small_slim2", "resnet50_slim1")
    }
