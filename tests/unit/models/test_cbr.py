"""The CBR family against counts and layers written down by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from transfergrid.evaluation.cam import class_maps
from transfergrid.models.cost import cost
from transfergrid.models.taps import Taps
from transfergrid.models.zoo import build, default_preprocessing, head_keys, label_of
from transfergrid.planning.architectures import known_architectures
from transfergrid.planning.layers import layer_names

FAMILY = {
    # kernel, widths, parameters with five outputs, and the published way of counting them
    "cbr_larget": (7, (32, 64, 128, 256, 512), 8_539_173, 8_532_480),
    "cbr_largew": (7, (64, 128, 256, 512), 8_443_461, 8_432_128),
    "cbr_small": (7, (32, 64, 128, 256), 2_114_341, 2_108_672),
    "cbr_tiny": (5, (64, 128, 256, 512), 4_310_085, 4_303_360),
    "cbr_tiny_32": (5, (32, 64, 128, 256), 1_079_845, 1_076_480),
}


def network(name: str, outputs: int = 5, truncation: int = 0, seed: int = 0) -> nn.Module:
    return build(known_architectures()[name].record(64), outputs, truncation, seed)


def with_statistics(model: nn.Module) -> nn.Module:
    """Give batch norms statistics of their own, so that leaving one out would show."""
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
    return model.eval()


def by_hand(name: str, state: dict[str, Tensor], images: Tensor) -> Tensor:
    """Compute the logits layer by layer, as the specification has it."""
    kernel, widths, _, _ = FAMILY[name]
    value = images
    for number in range(len(widths)):
        block = f"block{number}" if number else "stem"
        weights = {key.removeprefix(f"{block}."): tensor for key, tensor in state.items()}
        value = nn.functional.conv2d(value, weights["conv.weight"], padding=kernel // 2)
        norm = [weights[f"norm.{key}"] for key in ("running_mean", "running_var")]
        scale = [weights[f"norm.{key}"] for key in ("weight", "bias")]
        value = nn.functional.batch_norm(value, *norm, *scale).clamp(min=0)
        if name != "cbr_larget" or number < 4:
            value = nn.functional.max_pool2d(value, 3, stride=2, padding=1)
    return nn.functional.linear(value.mean((2, 3)), state["fc.weight"], state["fc.bias"])


@pytest.mark.parametrize("name", FAMILY)
def test_counts_are_those_of_the_specification(name: str) -> None:
    kernel, widths, parameters, published = FAMILY[name]
    pairs = list(zip((3, *widths), widths, strict=False))
    convolutions = [kernel**2 * before * after for before, after in pairs]
    assert sum(convolutions[1:]) + 5 * widths[-1] == published
    assert sum(convolutions) + 2 * sum(widths) + 5 * widths[-1] + 5 == parameters
    counted = cost(known_architectures()[name].record(64), 5, 0, 64)
    sides = [64 // 2**number for number in range(len(widths))]
    work = [count * side**2 for count, side in zip(convolutions, sides, strict=True)]
    assert (counted.params, counted.macs) == (parameters, sum(work) + 5 * widths[-1])


@pytest.mark.parametrize("name", ["cbr_larget", "cbr_tiny_32"])
def test_outputs_are_those_of_the_layers_one_by_one(name: str) -> None:
    model = with_statistics(network(name, seed=3))
    images = torch.randn(2, 3, 33, 47, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        assert torch.equal(model(images), by_hand(name, model.state_dict(), images))


@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.parametrize("px", [32, 64, 96, 224])
def test_any_size_of_image_will_do(name: str, px: int) -> None:
    known = known_architectures()[name]
    for cut in range(known.max_truncation + 1):
        with torch.device("meta"):
            model = network(name, 3, cut)
            assert model(torch.empty(2, 3, px, px)).shape == (2, 3)
            last = model.forward_features(torch.empty(2, 3, px, px))
        assert last.shape == (2, known.widths[cut], *[px // known.strides[cut]] * 2)


def test_a_seed_decides_the_weights_whatever_outputs_and_cut() -> None:
    whole = network("cbr_tiny_32", 14, 0, seed=5)
    again, cut = network("cbr_tiny_32", 14, 0, seed=5), network("cbr_tiny_32", 2, 2, seed=5)
    states = [model.state_dict() for model in (whole, again, cut)]
    assert all(torch.equal(tensor, states[1][key]) for key, tensor in states[0].items())
    body = set(states[2]) - set(head_keys(cut))
    assert {key.split(".")[0] for key in body} == {"stem", "block1"}
    assert all(torch.equal(states[2][key], states[0][key]) for key in body)
    other = network("cbr_tiny_32", 14, 0, seed=6)
    assert not torch.equal(other.state_dict()["stem.conv.weight"], states[0]["stem.conv.weight"])


def test_layers_have_the_names_of_all_networks() -> None:
    model = network("cbr_larget").eval()
    with Taps(model, None) as taps:
        shapes = taps.shapes(torch.zeros(1, 3, 64, 64))
    children = [name for name, _ in model.named_children()]
    assert list(shapes) == layer_names(5) == [*children[:-1], "pooled"]
    assert [*shapes.values()] == [
        *((32, 32, 32), (64, 16, 16), (128, 8, 8), (256, 4, 4), (512, 4, 4), (512, 1, 1))
    ]


def test_activation_maps_are_exact() -> None:
    model = with_statistics(network("cbr_tiny_32"))
    maps = class_maps(model, torch.rand(2, 3, 64, 64), [0, 3])
    assert maps.method == "CAM"
    bias = model.get_classifier().bias[[0, 3]]
    torch.testing.assert_close(maps.maps.mean((2, 3)) + bias, maps.logits[:, [0, 3]])


def test_a_network_is_called_by_its_name_and_takes_grey_levels_as_imagenets_do() -> None:
    record = known_architectures()["cbr_small"].record(64)
    assert label_of(record) == "cbr_small"
    assert default_preprocessing(record).mean == (0.485, 0.456, 0.406)
