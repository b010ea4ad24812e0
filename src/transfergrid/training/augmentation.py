"""Random changes of training images, made for a whole batch at once on its device.

Every number is a hash of (seed, epoch, row, purpose): an image is changed in the same way in every
batch, micro-batch and device, and no generator has to be saved for resuming.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from transfergrid.planning.recipe import Augmentation
from transfergrid.runtime.hashing import seeded
from transfergrid.training.batches import send

# Constants of SplitMix64 (Steele, Lea and Flood 2014, OOPSLA), as signed 64-bit numbers.
_STEP = 0x9E3779B97F4A7C15 - (1 << 64)
_FIRST = 0xBF58476D1CE4E5B9 - (1 << 64)
_SECOND = 0x94D049BB133111EB - (1 << 64)
# Each change has its own column of numbers, so that switching one on leaves the others unchanged.
_USES = (
    *("flip", "angle", "shift_x", "shift_y", "scale", "area", "crop_x", "crop_y"),
    *("brightness", "contrast", "noise"),
)


def augment(pixels: Tensor, rows: Tensor, epoch: int, seed: int, settings: Augmentation) -> Tensor:
    """Turn stored pixels into changed training images.

    In order: mirror, one bilinear resampling (crop, rotation, shift and scale; black outside),
    contrast about the image's own mean, brightness, noise, and clipping to [0, 1]. A crop is
    square: the shape of anatomy is a sign (cardiomegaly), so no aspect ratio is drawn.

    Args:
        pixels: (B, H, W) grey or (B, H, W, 3) colour, uint8, on any device.
        rows: (B,) int64 on the CPU, the rows of the images in their split.
        epoch: Number of the epoch, from 0.
        seed: The cell's seed.
        settings: Sizes of the changes; all zero gives the stored image exactly.

    Returns:
        float32 in [0, 1], shaped like `pixels` and on its device.
    """
    images = pixels.float() / 255
    if settings == Augmentation():
        return images
    images = images[:, None] if pixels.ndim == 3 else images.permute(0, 3, 1, 2)
    bits, draws = _drawn(rows, epoch, seed)
    images = _moved(images, draws, settings)
    if _any(settings, "brightness", "contrast", "noise"):
        # The mean of whole numbers is exact, so it does not depend on the order of summing.
        mean = pixels.flatten(1).sum(dim=1) / (255.0 * pixels[0].numel())
        images = _change_values(images, mean, draws, bits["noise"], settings)
    return images[:, 0] if pixels.ndim == 3 else images.permute(0, 2, 3, 1)


def move(maps: Tensor, rows: Tensor, epoch: int, seed: int, settings: Augmentation) -> Tensor:
    """Change the shape of maps as `augment` changes the images of the same rows.

    Args:
        maps: (B, C, H, W) float32 on any device, such as a target that is drawn on the images.
        rows: See `augment`, also for the rest.
        epoch: Number of the epoch, from 0.
        seed: The cell's seed.
        settings: Sizes of the changes.

    Returns:
        (B, C, H, W) float32; 0 wherever the image would be black outside.
    """
    return _moved(maps, _drawn(rows, epoch, seed)[1], settings)


def draws(rows: Tensor, epoch: int, seed: int, purpose: str, count: int) -> Tensor:
    """Return (B, count) float64 in [0, 1) for a purpose other than changing images.

    Args:
        rows: See `augment`, also for the rest.
        epoch: Number of the epoch, from 0.
        seed: The cell's seed.
        purpose: What they are for; others have other numbers.
        count: Numbers for each row.
    """
    keys = _mix(seeded(seed, purpose, epoch) + rows * _STEP)
    return _fractions(_counted(keys, count))


def _drawn(rows: Tensor, epoch: int, seed: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return (B,) random bits, and numbers in [0, 1) made from them, by use."""
    keys = _mix(seeded(seed, "augment", epoch) + rows * _STEP)
    bits = dict(zip(_USES, _counted(keys, len(_USES)).unbind(dim=1), strict=True))
    return bits, {use: _fractions(word) for use, word in bits.items()}


def _moved(images: Tensor, draws: dict[str, Tensor], settings: Augmentation) -> Tensor:
    if settings.flip_probability > 0:
        flip = send(draws["flip"] < settings.flip_probability, images.device)
        images = torch.where(flip[:, None, None, None], images.flip(-1), images)
    if settings.crop_scale_min < 1 or _any(settings, "rotate_degrees", "translate", "scale"):
        images = resample(images, matrices(draws, settings))
    return images


def matrices(draws: dict[str, Tensor], settings: Augmentation) -> Tensor:
    """Return (B, 2, 3) float32: where in the stored image each point of the new image lies.

    Coordinates run from -1 to 1 over the image, x before y. `draws` holds (B,) float64 in [0, 1)
    for each use.
    """
    angle = math.radians(settings.rotate_degrees) * (2 * draws["angle"] - 1)
    side = (settings.crop_scale_min + (1 - settings.crop_scale_min) * draws["area"]).sqrt()
    size = side / (1 + settings.scale * (2 * draws["scale"] - 1))
    # A shift by the whole side is 2 in these coordinates.
    x = (1 - side) * (2 * draws["crop_x"] - 1) + 2 * settings.translate * (2 * draws["shift_x"] - 1)
    y = (1 - side) * (2 * draws["crop_y"] - 1) + 2 * settings.translate * (2 * draws["shift_y"] - 1)
    cosine, sine = size * angle.cos(), size * angle.sin()
    return torch.stack([cosine, -sine, x, sine, cosine, y], dim=1).view(-1, 2, 3).float()


def resample(images: Tensor, matrix: Tensor) -> Tensor:
    """Resample (B, C, H, W) images bilinearly at the points of (B, 2, 3) matrices; black outside.

    The grid is computed explicitly: the matrix product in `affine_grid` may be rounded differently
    in batches of another size, or to TF32.
    """
    height, width = images.shape[-2:]
    matrix = send(matrix, images.device)[:, None, None]
    x = (2 * torch.arange(width, device=images.device) + 1) / width - 1
    y = (2 * torch.arange(height, device=images.device) + 1) / height - 1
    points = matrix[..., 0] * x[:, None] + matrix[..., 1] * y[:, None, None] + matrix[..., 2]
    return functional.grid_sample(images, points, padding_mode="zeros", align_corners=False)


def _change_values(
    images: Tensor, mean: Tensor, draws: dict[str, Tensor], noise: Tensor, settings: Augmentation
) -> Tensor:
    def column(use: str) -> Tensor:
        signed = (2 * draws[use] - 1).float()
        return send(signed, images.device)[:, None, None, None]

    if settings.contrast > 0:
        middle = mean[:, None, None, None]
        images = middle + (images - middle) * (1 + settings.contrast * column("contrast"))
    if settings.brightness > 0:
        images = images + settings.brightness * column("brightness")
    if settings.noise > 0:
        normal = _normal(send(noise, images.device), images[0].numel()).view_as(images)
        images = images + settings.noise * normal
    return images.clamp(0, 1)


def _any(settings: Augmentation, *names: str) -> bool:
    return any(getattr(settings, name) > 0 for name in names)


def _shift(values: Tensor, bits: int) -> Tensor:
    # Shifting signed numbers drags the sign along; the mask makes it an unsigned shift.
    return (values >> bits) & ((1 << (64 - bits)) - 1)


def _fractions(bits: Tensor) -> Tensor:
    """Turn random bits into float64 in [0, 1)."""
    return _shift(bits, 11).double() * 2.0**-53


def _mix(values: Tensor) -> Tensor:
    values = (values ^ _shift(values, 30)) * _FIRST
    values = (values ^ _shift(values, 27)) * _SECOND
    return values ^ _shift(values, 31)


def _counted(keys: Tensor, count: int) -> Tensor:
    """Return (B, count) int64 random bits from (B,) int64 keys."""
    counter = torch.arange(1, count + 1, device=keys.device) * _STEP
    return _mix(keys[:, None] + counter)


def _normal(keys: Tensor, count: int) -> Tensor:
    """Return (B, count) float32 from the standard normal distribution (Box and Muller 1958)."""
    bits = _counted(keys, count)
    radius = (_shift(bits, 40) + 1).float() * 2.0**-24
    turn = (bits & 0xFFFFFF).float() * 2.0**-24
    return (-2 * radius.log()).sqrt() * (2 * math.pi * turn).cos()
