from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor
from torch.nn import functional
from torchvision.transforms import functional as oracle

from transfergrid.planning.recipe import Augmentation
from transfergrid.training.augmentation import augment, matrices, resample

EVERYTHING = Augmentation(0.5, 0.5, 15, 0.05, 0.1, 0.2, 0.2, 0.05)
USES = ("angle", "scale", "area", "crop_x", "crop_y", "shift_x", "shift_y")


def pixels(count: int, px: int = 16, colour: bool = False, seed: int = 0) -> Tensor:
    shape = (count, px, px, 3) if colour else (count, px, px)
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def middle(**draws: float) -> dict[str, Tensor]:
    """Return draws that leave an image as it is, but for those given."""
    values = dict.fromkeys(USES, 0.5) | draws
    return {use: torch.tensor([value], dtype=torch.float64) for use, value in values.items()}


@pytest.mark.parametrize("colour", [False, True])
def test_no_change_gives_the_stored_pixels(colour: bool) -> None:
    images = pixels(3, colour=colour)
    out = augment(images, torch.arange(3), 0, 0, Augmentation())
    assert torch.equal(out, images.float() / 255)
    # Rotations within zero degrees and a crop of everything are no change either.
    drawn = augment(images, torch.arange(3), 0, 0, Augmentation(noise=1e-9))
    assert torch.allclose(out, drawn, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 9), st.sampled_from([5, 16, 33]), st.booleans())
def test_an_image_is_changed_alike_in_any_batch(size: int, px: int, colour: bool) -> None:
    images, rows = pixels(11, px, colour), torch.arange(11) * 5 + 2
    whole = augment(images, rows, 3, 7, EVERYTHING)
    parts = [
        augment(images[i : i + size], rows[i : i + size], 3, 7, EVERYTHING)
        for i in range(0, 11, size)
    ]
    assert torch.equal(whole, torch.cat(parts))
    order = torch.randperm(11, generator=torch.Generator().manual_seed(size))
    assert torch.equal(whole[order], augment(images[order], rows[order], 3, 7, EVERYTHING))


def test_row_epoch_and_seed_each_change_an_image() -> None:
    image = pixels(1)
    seen = [
        augment(image, torch.tensor([row]), epoch, seed, EVERYTHING)
        for row in (0, 1)
        for epoch in (0, 1)
        for seed in (0, 1)
    ]
    for i, one in enumerate(seen):
        assert all(not torch.equal(one, other) for other in seen[i + 1 :])


def test_augmentation_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    augment(pixels(4), torch.arange(4), 0, 0, EVERYTHING)
    assert torch.equal(before, torch.get_rng_state())


def test_a_mirror_image_is_exact_and_as_frequent_as_asked() -> None:
    images = pixels(2000, px=4)
    out = augment(images, torch.arange(2000), 0, 0, Augmentation(flip_probability=0.3))
    stored = images.float() / 255
    flipped = (out == stored.flip(-1)).flatten(1).all(1)
    assert ((out == stored).flatten(1).all(1) | flipped).all()
    assert stats.binomtest(int(flipped.sum()), 2000, 0.3).pvalue > 1e-4


@pytest.mark.parametrize("degrees", [-40.0, 15.0])
def test_rotation_agrees_with_torchvision(degrees: float) -> None:
    images = torch.rand(1, 1, 21, 21, generator=torch.Generator().manual_seed(0))
    draw = (math.copysign(1, degrees) + 1) / 2
    matrix = matrices(middle(angle=draw), Augmentation(rotate_degrees=abs(degrees)))
    expected = oracle.rotate(images, degrees, interpolation=oracle.InterpolationMode.BILINEAR)
    assert torch.allclose(resample(images, matrix), expected, atol=1e-5)


def test_size_agrees_with_torchvision() -> None:
    images = torch.rand(1, 1, 20, 20, generator=torch.Generator().manual_seed(0))
    matrix = matrices(middle(scale=1.0), Augmentation(scale=0.2))
    expected = oracle.affine(images, 0, [0, 0], 1.2, [0.0], oracle.InterpolationMode.BILINEAR)
    assert torch.allclose(resample(images, matrix), expected, atol=1e-5)


def test_a_shift_is_a_share_of_the_side() -> None:
    images = torch.rand(1, 1, 20, 20, generator=torch.Generator().manual_seed(0))
    matrix = matrices(middle(shift_x=0.0, shift_y=1.0), Augmentation(translate=0.1))
    out = resample(images, matrix)
    # Two pixels: taken from the left, so moved to the right, and taken from below.
    assert torch.allclose(out[..., :18, 2:], images[..., 2:, :18], atol=1e-5)
    assert torch.allclose(out[..., 18:, :], torch.zeros(()), atol=1e-5)


@pytest.mark.parametrize("corner", [0.0, 1.0])
def test_a_crop_takes_its_share_and_stays_inside(corner: float) -> None:
    images = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    drawn = middle(area=0.0, crop_x=corner, crop_y=corner)
    out = resample(images, matrices(drawn, Augmentation(crop_scale_min=0.25)))
    part = images[..., :16, :16] if corner == 0 else images[..., 16:, 16:]
    # Half the side, a quarter of the area. Torch pads where we read the neighbour pixel.
    expected = functional.interpolate(part, scale_factor=2, mode="bilinear", align_corners=False)
    assert torch.allclose(out[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1], atol=1e-5)


def test_the_grid_is_that_of_affine_grid() -> None:
    images = torch.rand(5, 2, 9, 9, generator=torch.Generator().manual_seed(0))
    matrix = torch.randn(5, 2, 3, generator=torch.Generator().manual_seed(1)) / 2
    grid = functional.affine_grid(matrix, [5, 2, 9, 9], align_corners=False)
    expected = functional.grid_sample(images, grid, align_corners=False)
    assert torch.allclose(resample(images, matrix), expected, atol=1e-5)


def test_brightness_and_contrast_stay_in_range_and_fill_it() -> None:
    flat = torch.full((3000, 2, 2), 128, dtype=torch.uint8)
    shift = augment(flat, torch.arange(3000), 0, 0, Augmentation(brightness=0.2))[:, 0, 0]
    shift = (shift - 128 / 255) / 0.2
    assert stats.kstest(shift.numpy(), stats.uniform(-1, 2).cdf).pvalue > 1e-4
    images = torch.tensor([[[80, 120], [120, 160]]], dtype=torch.uint8).repeat(3000, 1, 1)
    out = augment(images, torch.arange(3000), 0, 0, Augmentation(contrast=0.3))
    assert torch.allclose(out.mean((1, 2)), torch.tensor(120 / 255), atol=1e-6)
    factor = (out[:, 1, 1] - out[:, 0, 0]) * 255 / 80
    assert stats.kstest(((factor - 1) / 0.3).numpy(), stats.uniform(-1, 2).cdf).pvalue > 1e-4


def test_noise_is_normal_and_free_of_neighbours() -> None:
    flat = torch.full((4, 64, 64), 128, dtype=torch.uint8)
    out = augment(flat, torch.arange(4), 0, 0, Augmentation(noise=0.05))
    noise = (out - 128 / 255) / 0.05
    assert stats.kstest(noise.flatten().numpy(), stats.norm.cdf).pvalue > 1e-4
    for shifted in (noise[:, :, 1:] * noise[:, :, :-1], noise[1:] * noise[:-1]):
        assert abs(shifted.mean()) < 5 / math.sqrt(shifted.numel())


def test_values_stay_between_black_and_white() -> None:
    out = augment(pixels(20), torch.arange(20), 0, 0, Augmentation(brightness=1, noise=1))
    assert out.min() == 0
    assert out.max() == 1
