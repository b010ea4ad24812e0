"""The U-Net against whole networks, another library's, and what its pixels show."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from transfergrid.models.lattice import Lattice, trace
from transfergrid.models.maps import Level, levels_of, maps_of
from transfergrid.models.mask_network import mask_cost, mask_network
from transfergrid.models.truncation import blocks_of, max_truncation
from transfergrid.models.unet import ENCODER, Fit, UNet, fit_of
from transfergrid.models.zoo import build, new_layers
from transfergrid.planning.architectures import known_architectures
from transfergrid.runtime.errors import UserError

KNOWN = known_architectures()
GRID = [name for name in KNOWN if not KNOWN[name].base]
CUT = (
    *("resnet18", "densenet121", "inception_v3", "inception_v4", "mobilenetv2_100"),
    *("mobilenetv3_small_050", "lcnet_050", "cbr_larget", "resnet18_slim2", "cbr_small_slim2"),
)
"""One network of each class, whose others are cut at the same places."""

IMAGE = Level(None, 3, (0, 0), Lattice((0.0, 0.0), (1.0, 1.0)))


def network(name: str, drop: int = 0, seed: int = 0, device: str = "cpu") -> nn.Module:
    with torch.device(device):
        return build(KNOWN[name].record(image_px=96), 1, drop, seed)


def ramp(shape: tuple[int, ...], number: int) -> Tensor:
    """Return numbers that look drawn and are the same everywhere."""
    places = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return torch.sin(places * (1 + number % 7) * 0.37 + number).reshape(shape).float()


def check_size(model: nn.Module, px: int, outputs: int) -> None:
    output = trace(model, lambda module, images: module(images), (px, px)).result
    assert output.shape == (2, outputs, px, px)


@pytest.mark.parametrize("name", GRID)
def test_every_network_of_the_grid_marks_images_of_an_odd_size(name: str) -> None:
    with torch.device("meta"):
        check_size(UNet(network(name, device="meta"), 2, seed=0, px=96), 225, 2)


@pytest.mark.parametrize("name", CUT)
def test_every_cut_marks_small_images_and_its_bottleneck_is_the_last_map(name: str) -> None:
    whole = levels_of(network(name, device="meta"), (96, 96)).maps
    deepest = max_truncation(network(name, device="meta"))
    for drop in range(1, deepest + 1):
        encoder = network(name, drop, device="meta").eval()
        if drop in (1, deepest):
            with torch.no_grad():
                last = encoder.forward_features(torch.empty(1, 3, 96, 96, device="meta"))  # type: ignore[operator]
            levels = levels_of(encoder, (96, 96)).maps
            assert (levels[0].channels, levels[0].size) == (last.shape[1], tuple(last.shape[2:]))
            # The finer maps are those of the whole network, at the same places.
            assert levels[1:] == whole[len(whole) - len(levels) + 1 :]
        with torch.device("meta"):
            check_size(UNet(encoder, 1, seed=0, px=96), 96, 1)


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "efficientnet_b0", "cbr_small"])
def test_maps_are_those_of_the_whole_network_bit_for_bit(name: str) -> None:
    images = ramp((1, 3, 64, 64), 1)
    with torch.inference_mode():
        full = network(name).eval()
        _, expected = maps_of(full, images)
        for drop in (1, 2):
            cut = network(name, drop).eval()
            last, between = maps_of(cut, images)
            assert torch.equal(last, cut.forward_features(images))  # type: ignore[operator]
            for level in levels_of(cut, (64, 64)).maps[1:]:
                assert level.place is not None
                assert torch.equal(between[level.place], expected[level.place])


def test_densenet_s_skips_are_raw_and_its_last_map_is_not() -> None:
    with torch.inference_mode():
        last, between = maps_of(network("densenet121").eval(), ramp((1, 3, 64, 64), 1))
    levels = levels_of(network("densenet121", device="meta"), (64, 64)).maps
    raw = [between[level.place] for level in levels[1:-1] if level.place is not None]
    assert all((map_ < 0).any() for map_ in raw) and (last >= 0).all()


def test_with_equal_weights_it_computes_what_segmentation_models_pytorch_does() -> None:
    # Of segmentation-models-pytorch 0.6.0, Unet("resnet18", encoder_weights=None, classes=2), with
    # the same numbers in its tensors.
    expected = {
        96: (-0.0015190411359071732, -0.02655825763940811, 0.013116405345499516),
        64: (-0.0013437466695904732, -0.026834264397621155, 0.013332807458937168),
    }
    model = UNet(network("resnet18"), 2, seed=0, px=96).eval()
    assert sum(p.numel() for p in model.parameters()) == 14_328_354
    for number, (name, tensor) in enumerate(model.named_parameters()):
        values = ramp(tuple(tensor.shape), number)
        if tensor.ndim > 1:
            tensor.data = values * (2 / tensor[0].numel()) ** 0.5
        else:
            tensor.data = 0.1 * values + (1 if name.endswith("weight") else 0)
    for px, (first, second, spread) in expected.items():
        with torch.inference_mode():
            output = model(ramp((1, 3, px, px), 1))
        found = output[0, :, px // 2, px // 3].tolist()
        assert found == pytest.approx([first, second], rel=1e-3)
        assert output.std().item() == pytest.approx(spread, rel=1e-3)


def test_the_encoder_is_the_network_itself_and_all_of_it_learns() -> None:
    encoder = network("mobilenetv3_small_050")
    blocks = blocks_of(encoder)
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    model = UNet(encoder, 3, seed=1, px=64)
    assert model.encoder is encoder and model.blocks_of() == blocks and model.training
    model(ramp((2, 3, 64, 64), 2)).square().sum().backward()
    untouched = {name for name, tensor in encoder.named_parameters() if tensor.grad is None}
    assert untouched == {"conv_head.weight", "conv_head.bias"}
    assert untouched <= set(model.idle)
    kept = model.state_dict()
    assert all(torch.equal(before[name], kept[ENCODER + name]) for name in untouched)
    # Only the classifier is gone, so what was trained on masks can go on to labels.
    names = {name.removeprefix(ENCODER) for name in kept if name.startswith(ENCODER)}
    assert set(before) - names == {"classifier.weight", "classifier.bias"}


def test_the_decoder_is_drawn_from_its_seed_alone() -> None:
    def drawn(encoder_seed: int, seed: int) -> dict[str, Tensor]:
        state = UNet(network("cbr_tiny_32", seed=encoder_seed), 1, seed, px=32).state_dict()
        return {name: t for name, t in state.items() if not name.startswith(ENCODER)}

    state = torch.get_rng_state()
    first, other = drawn(0, 5), drawn(1, 5)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(first[name], other[name]) for name in first)
    assert not torch.equal(first["head.weight"], drawn(0, 6)["head.weight"])
    weights = first["steps.0.conv1.weight"]
    assert weights.std().item() == pytest.approx((2 / weights[0].numel()) ** 0.5, rel=0.02)


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "inception_v3", "inception_v4"])
@pytest.mark.parametrize("px", [225, 320])
def test_maps_are_put_where_they_belong(name: str, px: int) -> None:
    levels = [*levels_of(network(name, device="meta"), (px, px)).maps, IMAGE]
    for deep, fine in pairwise(levels):
        size = fine.size if fine is not IMAGE else (px, px)
        step = deep.lattice.step[0]
        own = deep.lattice.first[0] + step * torch.arange(deep.size[0], dtype=torch.float64)
        wanted = fine.lattice.first[0] + fine.lattice.step[0] * torch.arange(size[0])
        coordinates = own.expand(1, 1, deep.size[0], -1)
        off = (fit_of(deep.lattice, fine.lattice, size)(coordinates)[0, 0, 0] - wanted).abs()
        inside = (wanted >= own[0]) & (wanted <= own[-1])
        assert off[inside].max() <= step / 2
        if name.startswith("inception") and fine is IMAGE:
            # Plain resizing, as elsewhere, moves them by more than a pixel of the map.
            plain = functional.interpolate(coordinates, size=size, mode="nearest")[0, 0, 0]
            assert (plain - wanted).abs()[inside].max() > step


def test_edges_are_repeated_where_a_map_does_not_reach_and_cropped_where_it_is_too_large() -> None:
    row = torch.tensor([[[[1.0, 2.0, 3.0]]]])
    assert Fit((1, 2), (0, 2), (1, 10))(row).flatten().tolist() == [1, 1, 1, 1, 2, 2, 3, 3, 3, 3]
    assert Fit((1, 2), (0, -1), (1, 4))(row).flatten().tolist() == [1, 2, 2, 3]
    assert Fit((2, 1), (0, 0), (1, 3))(row).flatten().tolist() == [1, 2, 3]
    assert Fit((1, 1), (1, 0), (3, 3))(row)[0, 0].tolist() == [[1, 2, 3]] * 3


def test_what_cannot_be_decoded_is_refused_in_one_sentence() -> None:
    with pytest.raises(UserError, match=r"InceptionV3 cannot take images of 64 × 64 px .* larger"):
        UNet(network("inception_v3", device="meta"), 1, seed=0, px=64)
    with pytest.raises(UserError, match="shows no maps to a decoder; give it a method"):
        levels_of(nn.Conv2d(3, 4, 3), (32, 32))
    with pytest.raises(UserError, match="every 6 pixels of the image cannot be brought to one"):
        fit_of(Lattice((0.0, 0.0), (6.0, 6.0)), Lattice((0.0, 0.0), (4.0, 4.0)), (9, 9))


class Plain(nn.Module):
    """A decoder of one's own: the last map, enlarged."""

    def __init__(self, encoder: nn.Module, outputs: int, px: int) -> None:
        super().__init__()
        self.encoder, self.px = encoder, px
        self.steps = nn.Conv2d(levels_of(encoder, (px, px)).maps[0].channels, 8, 1)
        self.head = nn.Conv2d(8, outputs, 1)

    def forward(self, images: Tensor) -> Tensor:
        last, _ = maps_of(self.encoder, images)
        return functional.interpolate(self.head(self.steps(last)), size=(self.px, self.px))


class Unused(Plain):
    """The encoder is a part of it, and a copy is used."""

    def __init__(self, encoder: nn.Module, outputs: int, px: int) -> None:
        super().__init__(encoder, outputs, px)
        self.steps.add_module("copy", copy.deepcopy(encoder))

    def forward(self, images: Tensor) -> Tensor:
        last, _ = maps_of(self.steps.get_submodule("copy"), images)
        return functional.interpolate(self.head(self.steps(last)), size=(self.px, self.px))


def own_copy(encoder: nn.Module, outputs: int, px: int) -> nn.Module:
    return Plain(copy.deepcopy(encoder), outputs, px)


def five_maps(encoder: nn.Module, outputs: int, px: int) -> nn.Module:
    levels = levels_of(encoder, (px, px)).maps
    return Plain(encoder, levels[4].channels, px)


def other_parts(encoder: nn.Module, outputs: int, px: int) -> nn.Module:
    made = Plain(encoder, outputs, px)
    made.decoder = made.steps
    return made


def too_small(encoder: nn.Module, outputs: int, px: int) -> nn.Module:
    return Plain(encoder, outputs, px // 2)


def no_module(**given: Any) -> str:
    return "unet"


def test_a_decoder_of_one_s_own_has_the_encoder_that_it_was_given() -> None:
    def made(function: str, seed: int = 0) -> nn.Module:
        return mask_network(network("cbr_tiny_32"), 2, seed, 32, f"{__name__}:{function}")

    first, again, other = made("Plain"), made("Plain"), made("Plain", seed=1)
    assert torch.equal(first.head.weight, again.head.weight)  # type: ignore[union-attr,arg-type]
    assert not torch.equal(first.head.weight, other.head.weight)  # type: ignore[union-attr,arg-type]
    assert new_layers(first) == [first.steps, first.head]
    assert [len(block) for block in blocks_of(first)] == [1] * 4
    assert new_layers(copy.deepcopy(first))[0] is not first.steps
    for function, told in (
        ("own_copy", r"leaves out the encoder .* its 12 tensors; keep that very module"),
        ("Unused", "result without any tensor of that network; take"),
        ("five_maps", r"CBR, which has 4 maps .* failed with IndexError .* no more maps"),
        ("other_parts", r"the parts decoder, encoder, head, steps; it must have encoder"),
        ("too_small", r"\(2, 2, 16, 16\) of 2 images .* \(2, 2, 32, 32\)"),
        ("no_module", "returned str; return a torch"),
    ):
        with pytest.raises(UserError, match=told):
            made(function)


@pytest.mark.parametrize("name", ["mobilenetv3_small_050", "inception_v3", "cbr_small"])
def test_cost_counts_what_masks_depend_on(name: str) -> None:
    px, macs = 96, 0
    model = UNet(network(name), 2, seed=0, px=px).eval()

    def count(module: nn.Conv2d, inputs: Any, output: Tensor) -> None:
        nonlocal macs
        macs += output[0].numel() * module.weight[0].numel()

    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    model(ramp((1, 3, px, px), 0)).sum().backward()
    params = sum(p.numel() for p in model.parameters() if p.grad is not None)
    found = mask_cost(KNOWN[name].record(image_px=px), 2, 0, px)
    assert (found.params, found.macs) == (params, macs)
