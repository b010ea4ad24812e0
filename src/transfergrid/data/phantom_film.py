"""Phantom films: a patient drawn and exposed as one of three hospitals would, and the masks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from transfergrid.data import phantom_chest
from transfergrid.data.phantom_brush import Array, cloud
from transfergrid.data.phantom_chest import Parts
from transfergrid.data.phantom_cohort import Film, generator
from transfergrid.data.phantom_signs import OVERLAYS, deformed


@dataclass(frozen=True)
class Hospital:
    """How a hospital's films look.

    Attributes:
        exposure: Brightness of soft tissue.
        contrast: Exponent of the film's curve; above 1 the lungs are blacker.
        noise: Standard deviation in grey levels.
        blur: Share of a pixel's light that falls on its four neighbours.
        border: Width of the black collimated edge, as a share of the shorter side.
        aspect: Longer side over shorter side.
        marker: Whether a bright side marker is in the corner.
    """

    exposure: float
    contrast: float
    noise: float
    blur: float
    border: float
    aspect: float
    marker: bool


HOSPITALS = (
    Hospital(1.05, 1.15, 4.0, 0.10, 0.00, 1.00, True),
    Hospital(1.30, 1.00, 5.0, 0.35, 0.03, 1.15, False),
    Hospital(0.90, 1.40, 7.0, 0.00, 0.05, 1.00, True),
)


def film_shape(film: Film, native_px: int) -> tuple[int, int]:
    """Return height and width in pixels; the shorter side is `native_px`."""
    longer = round(native_px * HOSPITALS[film.hospital].aspect)
    return (longer, native_px) if film.lateral else (native_px, longer)


def draw_film(film: Film, native_px: int = 128) -> npt.NDArray[np.uint8]:
    """Draw a film: (height, width) uint8, bright where the body is dense."""
    parts = _anatomy(film, native_px)
    density = parts.density
    for name, overlay in OVERLAYS.items():
        if name in film.signs:
            density = density + overlay(film.signs[name], parts, film.lateral)[0]
    return _exposed(film, density)


def sign_masks(film: Film, native_px: int = 128) -> dict[str, npt.NDArray[np.bool_]]:
    """Return where each of a film's signs was drawn: (height, width) bool by sign name.

    A sign that this view hides has a mask without a true pixel. If a sign changes the shape of an
    organ, its mask is the organ; a pneumonia's mask is its consolidation's.
    """
    parts = _anatomy(film, native_px)
    masks = {
        name: overlay(film.signs[name], parts, film.lateral)[1] > 0.5
        for name, overlay in OVERLAYS.items()
        if name in film.signs
    }
    if "Pneumonia" in film.signs:
        masks["Pneumonia"] = masks["Consolidation"]
    return masks


def _anatomy(film: Film, native_px: int) -> Parts:
    height, width = film_shape(film, native_px)
    shift_x, shift_y = film.shift
    unit = np.float32(2 / native_px / film.scale)
    across = (np.arange(width, dtype=np.float32) - (width - 1) / 2) * unit - shift_x
    down = (np.arange(height, dtype=np.float32) - (height - 1) / 2) * unit - shift_y
    if film.lateral:
        across = across + 0.08
    cosine, sine = np.float32(np.cos(film.rotation)), np.float32(np.sin(film.rotation))
    x = across[None, :] * cosine + down[:, None] * sine
    y = down[:, None] * cosine - across[None, :] * sine
    seed, split, patient = film.words[:3]
    knots = generator(seed, split, patient, "texture", film.lateral).normal(0, 0.6, (9, 9))
    texture = cloud(knots.astype(np.float32), height, width)
    draw = phantom_chest.lateral if film.lateral else phantom_chest.frontal
    return draw(deformed(film.body, film.signs), x, y, texture)


def _exposed(film: Film, density: Array) -> npt.NDArray[np.uint8]:
    """Turn densities into grey levels: film curve, blur, noise, collimation, marker."""
    hospital = HOSPITALS[film.hospital]
    draw = generator(*film.words, "noise")
    exposure = hospital.exposure * (1 + 0.06 * film.exposure)
    light = 255 * 1.22 * (1 - np.exp(-exposure * np.clip(density, 0, None) ** hospital.contrast))
    if hospital.blur:
        padded = np.pad(light, 1, mode="edge")
        around = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
        light = (1 - hospital.blur) * light + hospital.blur / 4 * around
    light += hospital.noise * draw.standard_normal(light.shape, dtype=np.float32)
    height, width = light.shape
    if hospital.marker:
        _stamp(light, draw)
    edge = round(hospital.border * min(height, width) * float(draw.uniform(0.3, 1.7)))
    if edge:
        light[:edge] = light[-edge:] = 4
        light[:, :edge] = light[:, -edge:] = 4
    return np.clip(light, 0, 255).astype(np.uint8)


def _stamp(light: Array, draw: np.random.Generator) -> None:
    """Stamp the letter L beside the patient's left shoulder, somewhere near the corner."""
    height, width = light.shape
    size = max(3, height // 20)
    top = int(draw.integers(height // 40, height // 8))
    left = width - size - int(draw.integers(width // 20, width // 8))
    thick = max(1, size // 4)
    light[top : top + size, left : left + thick] = 250
    light[top + size - thick : top + size, left : left + size * 2 // 3] = 250
