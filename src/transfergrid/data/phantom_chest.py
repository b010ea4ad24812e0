"""The anatomy of the phantom's chest films, as summed densities of what is in the beam.

Coordinates are chest units: on a frontal film x runs from the patient's right (-) to left (+), on
a lateral film from sternum (-) to spine (+); y runs down; half of the film's shorter side is about
1. A density near 0 is air and near 1 is soft tissue; bone and overlaps reach about 1.4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transfergrid.data.phantom_brush import (
    Array,
    ellipse,
    length,
    ramp,
    ridge,
    segment,
    tube,
    turned,
)
from transfergrid.data.phantom_cohort import Body


@dataclass(frozen=True)
class Parts:
    """What signs need to know about a drawn chest; arrays are (height, width) float32.

    Attributes:
        density: The whole film before signs are laid over it.
        x: Horizontal chest coordinate.
        y: Vertical chest coordinate.
        depth: Signed depth inside the rib cage.
        above: Height above the diaphragm, positive in the chest.
        lung: Share (0 to 1) of aerated lung in the beam, less where the heart is in front of it.
        heart: Heart shadow, 0 to 1.
        great: Shadow of the great vessels, 0 to 1 (0 on a lateral film).
        vessels: Density of the vessels in the lungs.
        cloud: A smooth random field, about -1 to 1, fixed for each patient.
    """

    density: Array
    x: Array
    y: Array
    depth: Array
    above: Array
    lung: Array
    heart: Array
    great: Array
    vessels: Array
    cloud: Array


def frontal(b: Body, x: Array, y: Array, cloud: Array) -> Parts:
    """Draw a chest from the front."""
    reach = np.abs(x)
    cage = _cage(b, y)
    depth = cage - reach
    top = np.where(x < 0, np.float32(b.dome_right), np.float32(b.dome_left))
    above = top + 0.29 * np.square((reach - 0.36) / 0.42) - y
    heart = _frontal_heart(b, x, y)
    great = _great_vessels(b, x, y)
    lung = ramp(depth, 0.03) * ramp(above, 0.03) * ramp(reach - 0.10, 0.05) * (1 - 0.92 * great)

    outline = _torso(b, y)
    flank = np.sqrt(np.clip(1 - np.square(x / outline), 0, None))
    tissue = (0.42 + 0.53 * ramp(depth - 0.02, 0.5)) * flank * ramp(outline - reach, 0.03)
    tissue += 0.12 * ramp(-above, 0.5) * ramp(depth, 0.1)
    air = lung * (0.50 + 0.24 * ramp(depth - 0.11, 0.24)) * (1 - 0.80 * heart)
    vessels = _vessels(b, x, y, cloud) * lung * (1 - 0.7 * heart)
    density = tissue * (1 - air) + 0.10 * np.maximum(heart, great) + vessels
    density += _spine(b, x, y) - _airway(b, x, y) - _stomach(b, x, y, above)
    density += _ribs(b, x, y, reach / np.maximum(cage, 0.05)) * ramp(depth + 0.03, 0.05)
    density += _shoulders(b, x, y, reach)
    if b.breast:
        density += _breasts(b, x, y)
    return Parts(density, x, y, depth, above, lung * (1 - heart), heart, great, vessels, cloud)


def _cage(b: Body, y: Array) -> Array:
    """Inner half width of the rib cage at each height."""
    up = np.clip((0.45 - y) / (0.45 - b.apex), 0, 1)
    return b.chest_width * (
        np.sqrt(np.clip(1 - up * up * (0.4 + 0.6 * up), 0, None))
        - 0.10 * np.square(np.clip(y - 0.45, 0, None))
    )


def _torso(b: Body, y: Array) -> Array:
    """Half width of the body's outline: neck, shoulders, flank."""
    shoulder = ramp(y + 0.86, 0.34)
    axilla = ramp(y + 0.42, 0.5)
    return b.neck + (1.35 - b.neck) * shoulder - (1.35 - b.flank) * axilla


def _frontal_heart(b: Body, x: Array, y: Array) -> Array:
    """Heart: an oblique ellipse on the diaphragm, apex to the patient's left."""
    half = b.heart
    u, v = turned(x - 0.30 * half, y - (b.dome_left - 0.60 * half), b.heart_tilt)
    left = ellipse(u, v, 1.06 * half, 0.80 * half)
    right = ellipse(x + 0.19 * half, y - (b.dome_left - 0.70 * half), 0.62 * half, 0.85 * half)
    return ramp(np.maximum(left, right), 0.035)


def _great_vessels(b: Body, x: Array, y: Array) -> Array:
    """Mediastinum above the heart: vena cava, aortic knob, pulmonary trunk."""
    half = b.mediastinum
    middle = b.dome_left - 1.2 * b.heart
    band = half * (0.85 + 0.35 * ramp(-(y + 0.66), 0.4)) + 0.07 * ramp(y - middle, 0.35)
    band = ramp(band - np.abs(x), 0.03)
    knob = ramp(ellipse(x - 0.62 * half - 0.02, y + 0.36, b.aorta, 0.95 * b.aorta), 0.03)
    trunk = ramp(ellipse(x - 0.75 * half, y + 0.13, 0.085, 0.10), 0.04)
    return np.maximum(np.maximum(band, knob), trunk)


def _spine(b: Body, x: Array, y: Array) -> Array:
    """Thoracic spine behind the mediastinum: bodies, discs and pedicles."""
    offset = x - b.scoliosis * np.sin(2.2 * y)
    phase = y / b.vertebra
    disc = ridge(phase - np.round(phase), 0.13)
    body = ramp(0.082 - np.abs(offset), 0.03)
    return b.bone * (body * (0.15 - 0.11 * disc) + 0.06 * ridge(np.abs(offset) - 0.05, 0.012))


def _breasts(b: Body, x: Array, y: Array) -> Array:
    """Soft shadows over the lower zones, sharp below and fading above."""
    inside = ellipse(np.abs(x) - 0.43, y - b.breast_y, 0.34, 0.30)
    return b.breast * ramp(inside, 0.05) * np.clip(0.55 + 1.2 * (y - b.breast_y), 0, 1)


def _airway(b: Body, x: Array, y: Array) -> Array:
    """Trachea and main bronchi: a dark column that forks at the carina."""
    along = ramp(-0.22 - y, 0.08) * ramp(y + 1.0, 0.1)
    column = ridge(x - b.trachea * ramp(-y - 0.2, 0.6), 0.042) * along
    right, _ = segment(x, y, (0.0, -0.24), (-0.15, -0.08))
    left, _ = segment(x, y, (0.0, -0.24), (0.18, -0.10))
    return 0.28 * column + 0.20 * np.maximum(ridge(right, 0.026), ridge(left, 0.022))


def _stomach(b: Body, x: Array, y: Array, above: Array) -> Array:
    """Gas under the left diaphragm."""
    bubble = ellipse(x - b.gas_x, y - b.dome_left - 0.15, b.gas, 0.075)
    return 0.40 * ramp(bubble, 0.05) * ramp(-above - 0.03, 0.03)


def _ribs(b: Body, x: Array, y: Array, t: Array) -> Array:
    """Posterior ribs sloping down outwards and anterior ribs sloping down inwards.

    `t` runs from 0 at the midline to 1 at the inner chest wall. A phase grows by one per rib with
    height; a rib runs where the phase is a whole number.
    """
    t = np.minimum(t, 1.05)
    phase = (y - b.rib_phase + 0.13 * t - b.rib_slope * t * t) / b.rib_spacing
    level, half, at, step = b.fracture
    if step:
        beyond = ramp(t - at, 0.03) * ramp(x * half, 0.02) * ridge(t - at, 0.35)
        phase += step * beyond * (np.abs(y - level) < 0.5 * b.rib_spacing)
    back = tube(phase - np.round(phase), b.rib_width, 0.45) * ramp(t - 0.10, 0.08)
    phase = (y - b.rib_phase + 0.13 - b.rib_slope - 0.62 * (1 - t)) / b.rib_spacing
    front = tube(phase - np.round(phase), 1.15 * b.rib_width, 0.35) * ramp(t - b.cartilage, 0.16)
    span = ramp(y + 0.80, 0.1) * ramp(0.78 - y, 0.2)
    edge = 1 + 0.7 * np.clip(t - 0.75, 0, 1)
    return b.bone * span * (0.110 * back * edge + 0.050 * front)


def _shoulders(b: Body, x: Array, y: Array, reach: Array) -> Array:
    """Clavicles, shoulder blades and the heads of the arm bones."""
    u = (reach - 0.07) / 0.80
    level = b.clavicle_y + b.clavicle_tilt * x - 0.10 * u - 0.035 * np.sin(2 * np.pi * u)
    shaft = tube(y - level, 0.036 + 0.012 * np.abs(u - 0.5), 0.5)
    clavicle = shaft * ramp(u + 0.02, 0.05) * ramp(1.02 - u, 0.05)
    near = b.scapula
    border = near + 0.13 * (y + 0.35)
    blade = ramp(reach - border, 0.02) * ramp(y + 0.74, 0.1) * ramp(0.10 - y - reach + near, 0.3)
    head = ramp(ellipse(reach - 1.02, y + 0.60, 0.15, 0.17), 0.05)
    margin = ridge(reach - border, 0.014) * ramp(y + 0.66, 0.1) * ramp(0.02 - y, 0.2)
    bone = 0.20 * clavicle + 0.07 * blade + 0.05 * margin + 0.22 * head
    return b.bone * bone


def _vessels(b: Body, x: Array, y: Array, cloud: Array) -> Array:
    """Pulmonary vessels: branches that fan out of both hila, taper and head for the bases."""
    side = np.sign(x)
    u, v = np.abs(x) - 0.13, y - b.hilum_y - 0.03 * side
    fan = _fan(u, v, cloud, b.vessel_phase * side, 0.27)
    lower = 0.75 + 0.35 * v / (length(u, v) + 0.05)
    artery = ridge(u - 0.015 - 0.25 * v - 0.02 * cloud, 0.022 * (1.35 - 1.5 * np.clip(v, 0, 0.5)))
    artery = artery * ramp(v - 0.02, 0.1) * ramp(0.24 - v, 0.25)
    hilum = ridge(length(u + 0.02, 0.8 * v), 0.075)
    return b.vessels * (fan * lower + 0.22 * hilum + 0.13 * artery)


def _fan(u: Array, v: Array, cloud: Array, phase: Array | float, reach: float) -> Array:
    """Branches around the origin: few and thick near it, twice as many and thin further out."""
    radius = length(u, v)
    angle = np.arctan2(v, u) + 0.9 * cloud + phase
    trunk = ridge(np.sin(3.5 * angle + 3.0 * radius), 0.55 - 0.3 * radius)
    twig = ridge(np.sin(7.0 * angle - 5.0 * radius), 0.55)
    near, share = ridge(radius, reach), np.square(radius / reach)
    # All branches meet at the origin; if they did not fade there, they would form a star.
    trunk = trunk * ramp(radius - 0.06, 0.10) * near
    return 0.36 * trunk + 0.13 * twig * np.minimum(near * (0.25 + 1.8 * share), 1)


def lateral(b: Body, x: Array, y: Array, cloud: Array) -> Parts:
    """Draw a chest from the side, facing left, with raised arms."""
    s = np.clip((y + 0.80) / 1.10, 0, 1)
    front = -0.16 - b.chest_depth * s * (2 - s)
    back = 0.58 - 0.20 * np.square(y - 0.15) - b.kyphosis * ramp(-y, 1.2)
    depth = np.minimum(x - front, back - x)
    depth = np.minimum(depth, y - b.apex - 0.25 * np.square(x - 0.1))
    right = _lateral_dome(b.dome_right, x) - y
    left = _lateral_dome(b.dome_left + 0.02, x) - y
    above = np.minimum(right, left)
    heart = _lateral_heart(b, x, y)
    lung = 0.5 * (ramp(right, 0.03) + ramp(left, 0.03)) * ramp(depth, 0.03)

    skin_front = front - 0.06 - 0.04 * b.padding - b.bust * ridge(y - b.breast_y, 0.33)
    outline = np.minimum(x - skin_front, back + 0.25 + 0.05 * b.padding - x)
    tissue = ramp(outline, 0.04) * (0.55 + 0.40 * ramp(outline - 0.14, 0.35))
    arms = ramp(-0.70 - y - 0.40 * np.square(x), 0.16) * ramp(0.42 - 0.6 * y - np.abs(x), 0.25)
    tissue = np.maximum(tissue, 0.85 * arms) + 0.14 * ramp(-above, 0.4) * ramp(outline, 0.1)
    air = lung * (0.42 + 0.26 * ramp(depth - 0.08, 0.3)) * (1 - 0.6 * heart)
    vessels = _lateral_vessels(b, x, y, cloud) * lung
    density = tissue * (1 - air) + 0.06 * heart + vessels + _lateral_bones(b, x, y, front, back)
    trachea = ridge(x - 0.02 - 0.10 * y, 0.045) * ramp(-0.10 - y, 0.1) * ramp(y + 0.9, 0.2)
    density -= 0.17 * trachea
    none = np.zeros_like(x)
    return Parts(
        density, x, y, depth, above, lung * (1 - 0.45 * heart), heart, none, vessels, cloud
    )


def _lateral_dome(top: float, x: Array) -> Array:
    """Diaphragm from the side: high in front, deep behind."""
    return (
        top
        + 0.02
        + 0.62 * np.square(np.clip(x + 0.10, 0, None))
        + 0.25 * np.square(np.clip(-x - 0.10, 0, None))
    )


def _lateral_heart(b: Body, x: Array, y: Array) -> Array:
    half = b.heart
    u, v = turned(x + 0.46 - 0.80 * half, y - (b.dome_left - 0.60 * half), -0.75)
    heart = ramp(ellipse(u, v, 1.02 * half, 0.80 * half), 0.05)
    return heart * ramp(b.dome_left + 0.10 - y, 0.08)


def _lateral_vessels(b: Body, x: Array, y: Array, cloud: Array) -> Array:
    """Aortic arch and descending aorta, hilum, fanning branches."""
    arch = length(x - 0.05, (y + 0.26) * 0.9)
    arch = ridge(arch - 0.17, 0.6 * b.aorta) * ramp(-0.24 - y, 0.2)
    down = ridge(x - 0.23 - 0.08 * y, 0.07) * ramp(y + 0.30, 0.3)
    fan = _fan(x - 0.03, y - b.hilum_y, cloud, b.vessel_phase, 0.27)
    hilum = ridge(length(x - 0.03, 0.8 * (y - b.hilum_y)), 0.08)
    return 0.20 * arch * ramp(x + 0.1, 0.2) + 0.09 * down + b.vessels * (0.5 * fan + 0.24 * hilum)


def _lateral_bones(b: Body, x: Array, y: Array, front: Array, back: Array) -> Array:
    """Vertebral column, sternum, ribs crossing obliquely, shoulder blades."""
    offset = x - back + 0.04
    phase = (y + 0.15 * offset) / b.vertebra
    disc = ridge(phase - np.round(phase), 0.14)
    body = ramp(0.095 - np.abs(offset), 0.03)
    rim = ridge(np.abs(offset) - 0.085, 0.02)
    column = body * (0.26 - 0.20 * disc) + 0.07 * rim * (1 - disc)
    arches = 0.10 * tube(phase - 0.5 - np.round(phase - 0.5), 0.22) * ridge(offset - 0.17, 0.05)
    sternum = 0.20 * ridge(x - front + 0.015, 0.022) * ramp(y + 0.62, 0.1) * ramp(0.30 - y, 0.1)
    course = (y - b.rib_phase - 0.45 * (back - x) + 0.12 * np.square(back - x)) / b.rib_spacing
    ribs = tube(course - np.round(course), 0.8 * b.rib_width, 0.5)
    ribs = (
        0.065
        * ribs
        * ramp(np.minimum(x - front, back - x) + 0.04, 0.05)
        * ramp(0.75 - y, 0.3)
        * ramp(y + 0.8, 0.1)
    )
    blade, _ = segment(x, y, (0.36, -0.72), (0.46, -0.22))
    arm, _ = segment(x, y, (0.12, -0.84), (-0.45, -1.15))
    rest = 0.10 * ridge(blade, 0.03) + 0.16 * tube(arm, 0.055)
    return b.bone * (column + arches + sternum + ribs + rest)
