"""The bank of Gabor filters, its scale, and its picture."""

from __future__ import annotations

import math
import runpy

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import rotate
from torch import nn

from transfergrid.models.gabor import bank, fill, first_convolution, frequencies, names
from transfergrid.models.zoo import build
from transfergrid.planning.architectures import known_architectures
from transfergrid.planning.paths import PROJECT
from transfergrid.runtime.errors import UserError


@pytest.mark.parametrize("size", [3, 4, 5, 7, 11, 16])
@pytest.mark.parametrize("filters", [1, 8, 30, 64])
def test_filters_have_mean_zero_and_one_scale_and_differ(filters: int, size: int) -> None:
    made = bank(filters, size)
    assert made.shape == (filters, size, size) and made.isfinite().all()
    assert made.mean((1, 2)).abs().max() < 1e-12
    torch.testing.assert_close(
        made.square().mean((1, 2)), torch.ones(filters, dtype=torch.float64), rtol=1e-12, atol=0
    )
    flat = made.flatten(1)
    alike = (flat @ flat.T / size**2).abs() - torch.eye(filters)
    assert alike.max() < 0.9999


def test_a_bank_has_its_angles_frequencies_and_phases() -> None:
    made = bank(64, 7).numpy().reshape(8, 4, 2, 7, 7)
    waves = frequencies(7)
    assert waves == pytest.approx([0.143, 0.194, 0.265, 0.36], abs=1e-3)
    even, odd = made[:, :, 0], made[:, :, 1]
    turned = made[..., ::-1, ::-1]
    np.testing.assert_allclose(even, turned[:, :, 0], atol=1e-12)
    np.testing.assert_allclose(odd, -turned[:, :, 1], atol=1e-12)
    # Four steps of a 22.5 degree turn are a quarter turn: the kernels are each other's.
    for start in range(4):
        np.testing.assert_allclose(np.rot90(even[start], -1, (1, 2)), even[start + 4], atol=1e-12)
    # The wave is where the spectrum has its peak: along the angle, at the frequency.
    for turn in range(8):
        spectrum = np.abs(np.fft.fft2(made[turn, 3, 1], (512, 512)))
        y, x = np.unravel_index(spectrum.argmax(), spectrum.shape)
        fy, fx = np.fft.fftfreq(512)[[y, x]]
        angle = math.atan2(fy, fx) % math.pi
        apart = abs(angle - math.pi * turn / 8) % math.pi
        assert min(apart, math.pi - apart) < math.radians(6)
        assert math.hypot(fx, fy) == pytest.approx(waves[3], abs=0.04)


def test_a_bank_agrees_with_one_turned_by_scipy() -> None:
    size = 31
    straight, turned = bank(32, size)[[0, 8]].numpy()  # of four angles, 0 and 45 degrees
    again = rotate(straight, -45, reshape=False, order=3)
    inner = (slice(6, -6), slice(6, -6))
    assert np.corrcoef(again[inner].ravel(), turned[inner].ravel())[0, 1] > 0.99


@pytest.mark.parametrize(("channels", "size"), [(1, 3), (3, 5), (3, 7), (1, 16)])
def test_the_bank_takes_the_scale_of_the_sources_filters(channels: int, size: int) -> None:
    model = nn.Sequential(nn.Conv2d(channels, 24, size), nn.Conv2d(24, 2, 3))
    source = {"0.weight": 0.3 * torch.randn(24, channels, size, size) + 0.1}
    ((name, (made, origin)),) = fill(model, source, "gabor", seed=0).items()
    assert (name, origin) == ("0.weight", "gabor")
    assert made.shape == source[name].shape and made.dtype == torch.float32
    scale = source[name].square().mean().sqrt()
    each = made.square().mean((1, 2, 3)).sqrt()
    torch.testing.assert_close(each, scale.expand(24), rtol=1e-5, atol=0)
    assert made.mean((2, 3)).abs().max() < 1e-6
    assert (made == made[:, :1]).all()  # grey: every channel has the same filter


def test_the_first_convolution_of_every_network_is_found() -> None:
    for known in known_architectures().values():
        if known.base:
            continue  # a slim network has its base's
        with torch.device("meta"):
            model = build(known.record(0), 1, 0, seed=0)
        name, convolution = first_convolution(model)
        config = getattr(model, "pretrained_cfg", None) or {}
        assert name == config.get("first_conv", name), known.name
        assert convolution.in_channels == 3 and convolution.kernel_size[0] >= 3
        assert names(model, "gabor") == [f"{name}.weight"]


@pytest.mark.parametrize(
    ("layer", "told"),
    [
        (nn.Conv2d(3, 8, 1), "a kernel of 1 x 1"),
        (nn.Conv2d(3, 8, (3, 5)), "a kernel of 3 x 5"),
        (nn.Conv2d(4, 8, 3), "has 4 channels"),
        (nn.Conv2d(3, 9, 3, groups=3), "3 groups"),
        (nn.Linear(3, 2), "Sequential has none"),
    ],
)
def test_a_network_without_room_for_a_bank_is_refused(layer: nn.Module, told: str) -> None:
    with pytest.raises(UserError, match=told):
        first_convolution(nn.Sequential(layer))


def test_the_picture_is_what_its_program_draws() -> None:
    program = PROJECT / "docs/images/gabor.py"
    drawn = np.asarray(runpy.run_path(str(program))["picture"](), dtype=int)
    kept = np.asarray(Image.open(program.with_suffix(".png")), dtype=int)
    # The last digit of a cosine is the machine's.
    assert drawn.shape == kept.shape and np.abs(drawn - kept).max() <= 1
