"""The phantom's signs: how each deforms a chest, or what it lays over it and where.

A sign acts twice: `deformed` changes the body before it is drawn (a wide heart, a raised
diaphragm), and its entry in `OVERLAYS` changes the drawn film. Each overlay returns the change in
density and the sign's region, both (height, width); a region is a share from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise

import numpy as np

from transfergrid.data.phantom_brush import Array, ellipse, length, ramp, ridge, segment, turned
from transfergrid.data.phantom_chest import Parts
from transfergrid.data.phantom_cohort import Body, Sign

Overlay = Callable[[Sign, Parts, bool], tuple[Array, Array]]
"""Takes a sign, the drawn chest, and whether the film is lateral."""


def deformed(body: Body, signs: Mapping[str, Sign]) -> Body:
    """Return the body as its signs have shaped it."""
    if sign := signs.get("Cardiomegaly"):
        body = replace(
            body,
            heart=body.heart * (1.06 + 0.42 * sign.severity),
            heart_tilt=body.heart_tilt - 0.15 * sign.severity,
        )
    if sign := signs.get("Enlarged Cardiomediastinum"):
        body = replace(body, mediastinum=body.mediastinum * (1.35 + 0.60 * sign.severity))
    if sign := signs.get("Edema"):
        body = replace(body, vessels=body.vessels * (1.0 + 0.35 * sign.severity))
    if sign := signs.get("Atelectasis"):
        lift = raised(sign)
        body = replace(
            body,
            dome_right=body.dome_right - (lift if sign.side <= 0 else 0),
            dome_left=body.dome_left - (lift if sign.side >= 0 else 0),
        )
    if sign := signs.get("Fracture"):
        step = (0.35 + 0.30 * sign.severity) * (1 if sign.turn > 0 else -1)
        level = -0.25 + 0.45 * sign.size
        body = replace(body, fracture=(level, float(sign.side or 1), 0.65, step))
    return body


def raised(sign: Sign) -> float:
    """Height by which a collapse raises the diaphragm, in chest units."""
    return 0.04 + 0.20 * sign.severity


def _sides(sign: Sign, parts: Parts, lateral: bool) -> Array | float:
    """Where the sign's side of a frontal film is; a lateral film shows both sides as one."""
    if lateral or sign.side == 0:
        return 1.0
    return ramp(parts.x * sign.side, 0.04)


def _centre(sign: Sign, lateral: bool) -> tuple[float, float]:
    if lateral:
        return sign.z, sign.y
    return (sign.side or 1) * sign.x, sign.y


def _cardiomegaly(sign: Sign, parts: Parts, lateral: bool) -> tuple[Array, Array]:
    return np.zeros_like(parts.x), parts.heart


def _mediastinum(sign: Sign, parts: Parts, lateral: bool) -> tuple[Array, Array]:
    inside = ramp(parts.above, 0.03) * ramp(parts.y + 0.76, 0.03)
    return np.zeros_like(parts.x), parts.great * inside


def _edema(sign: Sign, parts: Parts, lateral: bool) -> tuple[Array, Array]:
    """Haze around both hila like a butterfly, and short septal lines at the lateral bases."""
    s = sign.severity
    u = parts.x - 0.03 if lateral else np.abs(parts.x) - 0.17
    radius = length(u, 0.8 * (parts.y - 0.06))
    haze = ridge(radius, 0.36 + 0.20 * s) * (1 + 0.45 * parts.cloud)
    strength = 0.02 + 0.32 * s
    near_wall = ramp(0.13 + 0.04 * parts.cloud - parts.depth, 0.05) * ramp(parts.y - 0.20, 0.15)
    phase = 13 * parts.y + 2 * np.abs(parts.x) + parts.cloud
    lines = ridge(phase - np.round(phase), 0.13) * near_wall
    change = parts.lung * (strength * haze + (0.04 + 0.08 * s) * lines)
    return change, parts.lung * np.maximum(ramp(haze - 0.45, 0.1), 0.6 * near_wall)


def _consolidation(sign: Sign, parts: Parts, lateral: bool) -> tuple[Array, Array]:
    """Dense patch with a ragged edge, dark bronchi running through it."""
    s = sign.severity
    at_x, at_y = _centre(sign, lateral)
    u, v = turned(parts.x - at_x, parts.y - at_y, 0.4 * sign.turn)
    size = 0.18 + 0.10 * sign.size + 0.08 * s
    inside = ellipse(u, v, 1.15 * size, 0.9 * size) + 0.10 * parts.cloud
    patch = ramp(inside, 0.13)
    if not lateral and sign.side < 0 and at_y < 0 and sign.variant == 0:
        # The right upper lobe ends sharply at the horizontal fissure.
        patch = patch * ramp(-parts.y - 0.03 * parts.x, 0.02)
    hilum_x = 0.03 if lateral else (sign.side or 1) * 0.13
    angle = np.arctan2(parts.y + 0.02, parts.x - hilum_x) + 0.3 * parts.cloud
    bronchi = ridge(np.sin(9 * angle + sign.turn), 0.4) * ramp(inside - 0.02, 0.08)
    change = (0.24 + 0.42 * s) * patch - 0.09 * s * bronchi
    return parts.lung * change, parts.lung * patch


def _atelectasis(sign: Sign, parts: Parts, lateral: bool) -> tuple[Array, Array]:
    """Plates of collapsed lung over a raised diaphragm, a little haze at the base."""
    s = sign.severity
    plates = np.zeros_like(parts.x)
    u = parts.x - sign.z if lateral else np.abs(parts.x) - 0.42
    for k in range(1 + (sign.variant > 0) + (s > 0.85)):
        tilt = 0.16 * sign.turn * (1 if k % 2 else -1)
        bend = tilt * u + 0.35 * u * u
        across = parts.above - 0.09 - 0.085 * k - 0.06 * sign.size - bend
        length_half = 0.17 + 0.08 * sign.size - 0.03 * k
        plate = ridge(across, 0.020 + 0.014 * s) * ramp(length_half - np.abs(u - 0.04 * k), 0.08)
        plates = np.maximum(plates, plate)
    side = _sides(sign, parts, lateral)
    haze = ramp(0.10 - parts.above, 0.16)
    change = parts.lung * side * ((0.10 + 0.45 * s) * plates + (0.02 + 0.20 * s) * haze)
    lifted = ramp(parts.above + raised(sign), 0.02) * ramp(0.03 - parts.above, 0.02)
    lifted = lifted * ramp(parts.depth, 0.03) * (1 - parts.heart)
    return change, side * np.maximum(parts.lung * ramp(plates - 0.3, 0.1), lifted)


def _effusion(sign: Sign, parts: Parts, lateral: bool) -> tuple[Array, Array]:
    """Fluid in the costophrenic angle, its upper border rising to the chest wall."""
    s = sign.severity
    from_wall = 0.50 - parts.x if lateral else parts.depth
    t = np.clip(1 - from_wall / 0.65, 0, 1)
    rise = 0.24 + 0.60 * s
    level = 0.40 + 0.25 * s
    surface = 0.80 - rise * (level + (1 - level) * t * t * t) + 0.02 * parts.cloud
    fluid = ramp(parts.y - surface, 0.05) * ramp(parts.above + 0.03, 0.04) * ramp(parts.depth, 0.03)
    fluid = fluid * _sides(sign, parts, lateral)
    # Fluid is as dense as the belly: it fills what air had left dark.
    missing = np.clip(0.92 - parts.density, 0, None)
    opacity = 0.65 if lateral else 0.85
    return opacity * fluid * missing, fluid * ramp(parts.lung - 0.3, 0.2)


def _pneumothorax(sign: Sign, parts: Parts, lateral: bool) -> tuple[Array, Array]:
    """Air outside a collapsed lung: black, without vessels, inside a thin white line."""
    s = sign.severity
    gap = (0.05 + 0.17 * s) * (0.35 + 0.65 * ramp(0.05 - parts.y, 0.9))
    outside = ramp(gap - parts.depth, 0.015) * ramp(0.55 - parts.y, 0.4)
    side = _sides(sign, parts, lateral)
    region = outside * parts.lung * side
    line = ridge(parts.depth - gap, 0.010) * parts.lung * side * ramp(0.45 - parts.y, 0.3)
    weight = 0.5 if lateral else 1.0
    change = weight * (0.14 * line - region * (0.09 + parts.vessels))
    return change, np.maximum(region, ramp(line - 0.3, 0.1))


def _lesion(sign: Sign, parts: Parts, lateral: bool) -> tuple[Array, Array]:
    """One round nodule, or two."""
    s = sign.severity
    at_x, at_y = _centre(sign, lateral)
    radius = 0.040 + 0.055 * s
    inside = ellipse(parts.x - at_x, parts.y - at_y, radius, radius) + 0.02 * parts.cloud
    if sign.variant == 2:
        second = ellipse(parts.x - 0.9 * at_x, parts.y - at_y - 0.2, 0.7 * radius, 0.7 * radius)
        inside = np.maximum(inside, second)
    nodule = ramp(inside, 0.03) * parts.lung
    return (0.20 + 0.15 * s) * nodule, nodule


def _pleural_other(sign: Sign, parts: Parts, lateral: bool) -> tuple[Array, Array]:
    """Thickened pleura: an irregular rind along the chest wall."""
    s = sign.severity
    span = ramp(0.35 - np.abs(parts.y - sign.y), 0.2)
    rind = ramp(0.03 + 0.05 * s + 0.02 * parts.cloud - parts.depth, 0.02) * parts.lung * span
    rind = rind * _sides(sign, parts, lateral)
    return (0.18 + 0.14 * s) * rind, rind


def _fracture(sign: Sign, parts: Parts, lateral: bool) -> tuple[Array, Array]:
    """Place and bruise of a fracture; the broken rib itself is drawn with the ribs."""
    level = -0.25 + 0.45 * sign.size
    u = parts.x + 0.1 if lateral else np.abs(parts.x) - 0.50
    near = ellipse(u, parts.y - level, 0.15, 0.10)
    region = ramp(near, 0.03) * _sides(sign, parts, lateral) * ramp(parts.depth + 0.1, 0.05)
    bruise = ramp(near - 0.05, 0.15) * region
    return (0.08 + 0.10 * sign.severity) * bruise, region


def _devices(sign: Sign, parts: Parts, lateral: bool) -> tuple[Array, Array]:
    """Pacemaker with its lead, a central line, or a breathing tube with electrodes."""
    side = float(sign.side or 1)
    x, y = parts.x, parts.y
    metal = np.zeros_like(x)

    def wire(points: list[tuple[float, float]], width: float, density: float) -> None:
        curve = _smoothed(points)
        for start, end in pairwise(curve):
            distance, _ = segment(x, y, start, end)
            np.maximum(metal, density * ridge(distance, width), out=metal)

    if lateral:
        courses = {
            0: [(-0.28, -0.42), (-0.05, -0.50), (0.02, -0.20), (-0.16, 0.30)],
            1: [(0.10, -0.95), (0.02, -0.50), (-0.02, -0.02)],
            2: [(-0.04, -0.98), (0.0, -0.36)],
        }
        wire(courses[sign.variant], 0.012, 0.35)
    elif sign.variant == 0:
        box_x, box_y = 0.52 * side, -0.46
        box = np.square(np.square((x - box_x) / 0.095)) + np.square(np.square((y - box_y) / 0.08))
        metal = 0.50 * ramp(1 - box, 0.6) * (1 - 0.25 * ramp(box_y - 0.03 - y, 0.02))
        loop = [(box_x, box_y - 0.06), (0.30 * side, -0.62), (-0.07, -0.50), (-0.09, 0.05)]
        wire([*loop, (0.02, 0.28), (0.18, 0.36)], 0.011, 0.40)
    elif sign.variant == 1:
        start = (0.75 * side, -0.72) if sign.turn > 0 else (0.22 * side, -0.98)
        wire([start, (0.30 * side, -0.66), (-0.06, -0.46), (-0.08, -0.02)], 0.012, 0.34)
    else:
        wire([(0.0, -1.1), (0.0, -0.36)], 0.013, 0.36)
        wire([(0.03, -1.1), (0.04, 0.3), (0.22, 0.62)], 0.009, 0.26)
        for spot_x, spot_y in ((-0.62, -0.52), (0.60, -0.50), (0.62, 0.42)):
            spot = ellipse(x - spot_x, y - spot_y, 0.035, 0.035)
            np.maximum(metal, 0.4 * ramp(spot, 0.02), out=metal)
        wire([(-0.62, -0.52), (-0.4, 0.1), (-0.45, 1.2)], 0.008, 0.26)
    return metal, ramp(metal - 0.1, 0.05)


def _smoothed(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Round a polyline's corners by cutting them twice (Chaikin); its ends stay put."""
    for _ in range(2 if len(points) > 2 else 0):
        cut = [points[0]]
        for (ax, ay), (bx, by) in pairwise(points):
            cut += [(0.75 * ax + 0.25 * bx, 0.75 * ay + 0.25 * by)]
            cut += [(0.25 * ax + 0.75 * bx, 0.25 * ay + 0.75 * by)]
        points = [*cut, points[-1]]
    return points


OVERLAYS: dict[str, Overlay] = {
    "Edema": _edema,
    "Consolidation": _consolidation,
    "Atelectasis": _atelectasis,
    "Lung Lesion": _lesion,
    "Pneumothorax": _pneumothorax,
    "Pleural Other": _pleural_other,
    "Pleural Effusion": _effusion,
    "Cardiomegaly": _cardiomegaly,
    "Enlarged Cardiomediastinum": _mediastinum,
    "Fracture": _fracture,
    "Support Devices": _devices,
}
"""In drawing order. Pneumonia is drawn by the consolidation that comes with it."""
