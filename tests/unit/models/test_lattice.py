"""Where a map's pixels lie, against what in the image moves them."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from transfergrid.models.lattice import Lattice, trace
from transfergrid.models.maps import levels_of, maps_of
from transfergrid.models.zoo import build
from transfergrid.planning.architectures import known_architectures


def network(name: str, device: str = "cpu") -> nn.Module:
    with torch.device(device):
        return build(known_architectures()[name].record(image_px=64), 1, 0, seed=0)


def all_positive(model: nn.Module) -> nn.Module:
    """Have every pixel in a map's window count, so that windows can be seen in gradients."""
    for name, module in list(model.named_modules()):
        parent = model.get_submodule(name.rpartition(".")[0])
        if isinstance(module, nn.MaxPool2d):
            # A maximum moves with one pixel alone; the window is that of a mean.
            kind = nn.AvgPool2d(module.kernel_size, module.stride, module.padding)
            setattr(parent, name.rpartition(".")[2], kind)
        if isinstance(module, nn.Conv2d):
            module.weight.data = torch.full_like(module.weight, 1 / module.weight[0].numel())
            if module.bias is not None:
                module.bias.data.zero_()
    return model.double().eval()


@pytest.mark.parametrize(
    ("name", "px", "most"),
    [
        ("resnet18", 160, 8),
        ("inception_v3", 96, 4),
        ("inception_v4", 97, 4),
        ("densenet121", 96, 4),
        ("tf_efficientnet_lite0", 64, 4),
        ("tf_efficientnet_lite0", 65, 4),
        ("cbr_small", 96, 4),
    ],
)
def test_the_window_of_a_pixel_is_about_its_centre(name: str, px: int, most: int) -> None:
    model = all_positive(network(name))
    images = torch.rand(1, 3, px, px, dtype=torch.float64).add(1).requires_grad_()
    _, between = maps_of(model, images)
    levels = [level for level in levels_of(model, (px, px)).maps if level.place is not None]
    checked = [level for level in levels if level.lattice.step[0] <= most]
    assert checked
    for level in checked:
        assert level.place is not None
        map_, middle = between[level.place], level.size[0] // 2
        (gradient,) = torch.autograd.grad(
            map_[0, :, middle, middle].sum(), images, retain_graph=True
        )
        rows = gradient.abs().sum((0, 1, 3)).nonzero().flatten()
        assert rows[0] > 0 and rows[-1] < px - 1  # not cut off by the image's edge
        centre = (int(rows[0]) + int(rows[-1])) / 2
        assert centre == level.lattice.first[0] + middle * level.lattice.step[0], level


def test_inception_s_maps_begin_inside_of_the_image() -> None:
    found = levels_of(network("inception_v3", "meta"), (320, 320)).maps
    told = [(level.size[0], level.lattice.first[0], level.lattice.step[0]) for level in found]
    assert told == [(8, 37, 32), (18, 21, 16), (37, 13, 8), (76, 9, 4), (157, 3, 2)]


def test_rows_and_columns_are_told_apart_and_so_are_windows() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 4, (3, 5), stride=(2, 1), padding=(0, 2)),
        nn.ZeroPad2d((1, 0, 2, 0)),
        nn.Conv2d(4, 4, 3, dilation=2),
        nn.AvgPool2d(2),
    )
    seen = trace(model, lambda module, images: module(images), (32, 48))
    # Rows: 1 + 2i, then two rows before these, dilation 2 adds 2 × 2, the mean 0.5 × 2.
    assert seen.lattice(seen.result) == Lattice((1 - 4 + 4 + 1, 0 - 1 + 2 + 0.5), (4, 2))


def test_watching_leaves_the_network_and_random_numbers_alone() -> None:
    model = network("lcnet_050")
    model.train()
    model.get_submodule("bn1").eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = torch.get_rng_state()
    with torch.inference_mode():
        seen = trace(model, maps_of, (64, 64))
    assert seen.lattice(seen.result[0]) == Lattice((0.0, 0.0), (32.0, 32.0))
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training and not model.get_submodule("bn1").training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    named = [name for name in seen.idle if "num_batches" not in name]
    assert named == ["conv_head.weight", "conv_head.bias", "classifier.weight", "classifier.bias"]


def test_a_map_that_was_lost_track_of_is_spread_over_the_image() -> None:
    class Turned(nn.Module):
        def forward_features(self, images: Tensor) -> Tensor:
            return images.permute(0, 2, 3, 1).reshape(2, 12, 8, 8)

        def blocks_of(self) -> list[list[Any]]:
            return []

    model = Turned()
    seen = trace(model, lambda module, images: module.forward_features(images), (16, 16))
    assert seen.lattice(seen.result) is None
    assert Lattice.spread((8, 8), (16, 16)) == Lattice((0.5, 0.5), (2.0, 2.0))
    assert math.isclose(Lattice.spread((14, 14), (225, 225)).step[0], 16)
