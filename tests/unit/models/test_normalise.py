"""Normalisation against torchvision's transform."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms.functional import normalize, to_tensor

from transfergrid.models.normalise import Normalise, Preprocessing
from transfergrid.runtime.errors import UserError

IMAGENET = Preprocessing((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def pixels(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def test_rgb_equals_torchvision_bit_for_bit() -> None:
    images = pixels(4, 7, 9, 3)
    expected = torch.stack(
        [normalize(to_tensor(i), list(IMAGENET.mean), list(IMAGENET.std)) for i in images.numpy()]
    )
    result = Normalise(IMAGENET)(images)
    assert result.dtype == torch.float32 and result.shape == (4, 3, 7, 9)
    assert torch.equal(result, expected)


def test_grey_equals_rgb_of_repeated_grey() -> None:
    grey = pixels(5, 8, 6)
    repeated = grey[..., None].expand(-1, -1, -1, 3)
    assert torch.equal(Normalise(IMAGENET)(grey), Normalise(IMAGENET)(repeated))


@pytest.mark.parametrize("shape", [(2, 8, 6), (2, 8, 6, 3)])
def test_memory_is_channels_last(shape: tuple[int, ...]) -> None:
    result = Normalise(IMAGENET)(pixels(*shape))
    assert result.is_contiguous(memory_format=torch.channels_last)


def test_floats_on_the_unit_scale_are_taken_as_they_are() -> None:
    images = pixels(2, 4, 4, 3)
    assert torch.equal(Normalise(IMAGENET)(images.float() / 255), Normalise(IMAGENET)(images))


def test_bgr_reverses_channels_before_the_statistics() -> None:
    bgr = Preprocessing((0.1, 0.2, 0.3), (0.5, 0.6, 0.7), channel_order="bgr")
    rgb = Preprocessing((0.1, 0.2, 0.3), (0.5, 0.6, 0.7))
    images = pixels(2, 4, 4, 3)
    assert torch.equal(Normalise(bgr)(images), Normalise(rgb)(images[..., [2, 1, 0]]))


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"allowed: \(B, H, W\)"):
        Normalise(IMAGENET)(pixels(2, 4, 4, 4))


@settings(deadline=None, max_examples=30)
@given(
    mean=st.tuples(*[st.floats(0, 1)] * 3),
    std=st.tuples(*[st.floats(0.01, 2)] * 3),
    order=st.sampled_from(["rgb", "bgr"]),
)
def test_records_survive_a_round_trip(
    mean: tuple[float, float, float], std: tuple[float, float, float], order: str
) -> None:
    record = Preprocessing(mean, std, order, "bilinear", "here")
    assert Preprocessing.from_dict(record.to_dict()) == record


def test_impossible_values_are_refused() -> None:
    with pytest.raises(UserError, match="positive"):
        Preprocessing((0.5, 0.5, 0.5), (0.5, 0.0, 0.5))
    with pytest.raises(UserError, match="three numbers"):
        Preprocessing.from_dict({"mean": [0.5], "std": [0.5]})
    with pytest.raises(UserError, match="choose rgb or bgr"):
        Preprocessing((0.5, 0.5, 0.5), (0.5, 0.5, 0.5), channel_order="gbr")
