"""What is taken at the ends of blocks, against timm's own intermediate features."""

from __future__ import annotations

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn

from transfergrid.models.taps import Taps
from transfergrid.planning.layers import layer_names, positions_per_image
from transfergrid.runtime.errors import UserError


def shown(px: int = 64) -> Tensor:
    return torch.rand(3, 3, px, px, generator=torch.Generator().manual_seed(0))


def whole_maps(model: nn.Module, inputs: Tensor) -> dict[str, np.ndarray]:
    """Return all positions of each layer, as (B, H * W, C)."""
    model.eval()
    with Taps(model, None) as taps:
        shapes = taps.shapes(inputs[:2])
        count = len(inputs)
        places = {n: torch.arange(h * w).repeat(count, 1) for n, (_, h, w) in shapes.items()}
        into = {n: np.empty((count * h * w, c), np.float32) for n, (c, h, w) in shapes.items()}
        taps.fill(places, into)
        with torch.inference_mode():
            model(inputs)
    return {name: values.reshape(count, -1, values.shape[1]) for name, values in into.items()}


@pytest.mark.parametrize("name", ["resnet18", "lcnet_050"])
def test_layers_are_those_that_timm_gives(name: str) -> None:
    model = timm.create_model(name, pretrained=False).eval()
    inputs = shown()
    found = whole_maps(model, inputs)
    with torch.inference_mode():
        expected = model.forward_intermediates(
            inputs, intermediates_only=True, **({} if name == "resnet18" else {"extra_blocks": 1})
        )
        pooled = model.forward_head(model.forward_features(inputs), pre_logits=True)
    # The last block of LCNet ends on a head convolution, which comes after the pooling.
    blocks = layer_names(len(expected))[: 5 if name == "resnet18" else 6]
    assert list(found) == [*layer_names(len(expected))[:-1], "pooled"]
    for layer, map_ in zip(blocks, expected, strict=False):
        wanted = map_.flatten(2).transpose(1, 2).numpy()
        np.testing.assert_allclose(found[layer], wanted, rtol=1e-5, atol=1e-6, err_msg=layer)
    np.testing.assert_allclose(found["pooled"][:, 0], pooled.numpy(), rtol=1e-5, atol=1e-6)
    assert (found["stem"] >= 0).all() or name != "resnet18"  # after its ReLU, as published


def test_nothing_is_hooked_afterwards_and_unknown_layers_are_named() -> None:
    model = timm.create_model("resnet18", pretrained=False).eval()
    with Taps(model, ("block1", "pooled")) as taps:
        assert taps.shapes(shown()) == {"block1": (64, 16, 16), "pooled": (512, 1, 1)}
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    with pytest.raises(UserError, match="names 'block5', but ResNet has stem, block1"):
        Taps(model, ("block5",))


def test_a_network_without_blocks_has_pooled_features_alone() -> None:
    model = timm.create_model("convnext_atto", pretrained=False).eval()
    with pytest.raises(UserError, match=r"not known; write similarity.layers: \[pooled\]"):
        Taps(model, None)
    with Taps(model, ("pooled",)) as taps:
        assert taps.shapes(shown())["pooled"][1:] == (1, 1)


@pytest.mark.parametrize(
    ("images", "channels", "area", "rows", "expected"),
    [
        (1000, 64, 784, 10_000, 1),  # one position of each image is enough
        (200, 64, 784, 10_000, 4),  # more, until there are ten rows for each channel
        (200, 512, 49, 10_000, 26),
        (200, 2048, 49, 10_000, 49),  # until the map is exhausted
        (600, 2048, 49, 10_000, 16),  # or until rows are
        (200, 2048, 1, 10_000, 1),
        (10_000, 64, 784, 10_000, 1),
    ],
)
def test_positions_are_as_few_as_will_do(
    images: int, channels: int, area: int, rows: int, expected: int
) -> None:
    assert positions_per_image(images, channels, area, rows) == expected
