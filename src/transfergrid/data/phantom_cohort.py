"""The phantom's patients: bodies, signs that stay with them, studies and films.

Everything about a film is drawn from generators keyed by (seed, split, patient, study, view), so a
film is the same whatever else is drawn and in whatever order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from transfergrid.runtime.hashing import seeded

Generator = np.random.Generator


@dataclass(frozen=True)
class Body:
    """A patient's build, in chest units (see `phantom_chest`) unless stated otherwise.

    `dome_*` are the heights of the diaphragm, `heart` is the half width of its shadow, `bone`,
    `vessels` and `breast` are densities, angles are in radians. `fracture` is (height, half of the
    chest, share of the way to the chest wall, step in rib spacings).
    """

    chest_width: float
    chest_depth: float
    apex: float
    dome_right: float
    dome_left: float
    neck: float
    flank: float
    padding: float
    heart: float
    heart_tilt: float
    mediastinum: float
    aorta: float
    trachea: float
    scoliosis: float
    kyphosis: float
    vertebra: float
    bone: float
    breast: float
    breast_y: float
    bust: float
    gas: float
    gas_x: float
    rib_spacing: float
    rib_phase: float
    rib_slope: float
    rib_width: float
    cartilage: float
    clavicle_y: float
    clavicle_tilt: float
    scapula: float
    hilum_y: float
    vessels: float
    vessel_phase: float
    fracture: tuple[float, float, float, float] = (0.0, 1.0, 0.6, 0.0)


@dataclass(frozen=True)
class Sign:
    """One abnormality: how severe it is (0 to 1) and where.

    `side` is -1 for the patient's right, 1 for the left and 0 for both; `x`, `y`, `z` are the
    distance from the midline, the height and the place from front to back, in chest units.
    """

    severity: float
    side: int
    x: float
    y: float
    z: float
    size: float
    turn: float
    variant: int


@dataclass(frozen=True)
class Film:
    """Everything needed to draw one film.

    `signs` holds what is there, by name; `words` are the key of the patient's random texture and
    of the film's noise.
    """

    split: str
    patient: int
    study: int
    view: int
    lateral: bool
    ap: bool
    sex: str
    age: int
    hospital: int
    body: Body
    signs: Mapping[str, Sign]
    shift: tuple[float, float]
    scale: float
    rotation: float
    exposure: float
    words: tuple[object, ...]


DRAWN = (
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Pleural Effusion",
    "Enlarged Cardiomediastinum",
    "Lung Lesion",
    "Pneumothorax",
    "Pleural Other",
    "Fracture",
    "Support Devices",
    "Pneumonia",
)
"""Signs that are drawn. Pneumonia is a consolidation with a cause, so it comes with one."""

TEXTBOOK: tuple[str | None, ...] = (*DRAWN[:5], None, *DRAWN[5:])
"""The only sign of each split's first patients; None is a healthy patient."""

HOSPITAL_SHARES = (0.5, 0.3, 0.2)
ONE_STUDY, TWO_STUDIES = 0.73, 0.20
RESOLVES, APPEARS = 0.12, 0.03


def generator(*words: object) -> Generator:
    """Return a generator seeded by words."""
    return np.random.default_rng(seeded("phantom", *words))


def patient_films(seed: int, split: str, patient: int) -> list[Film]:
    """Draw the films of one patient, counted from 0, in the order of studies and views.

    The first patients of a split are the cases in `TEXTBOOK`, so that even a split of ten patients
    has both classes of the common signs. Training patients have one to three studies; validation
    and test patients have one, as in CheXpert.
    """
    words = (seed, split, patient)
    draw = generator(*words)
    sex = "Female" if draw.random() < 0.45 else "Male"
    age = int(np.clip(draw.normal(60, 17), 18, 90))
    body = _body(draw, sex == "Female", age)
    hospital = int(draw.choice(len(HOSPITAL_SHARES), p=HOSPITAL_SHARES))
    conditions = {name: _sign(draw, name) for name in DRAWN}
    present = _present(draw)
    if patient < len(TEXTBOOK):
        present = {name for name in TEXTBOOK[patient : patient + 1] if name}
    studies = 1 + int(np.searchsorted([ONE_STUDY, ONE_STUDY + TWO_STUDIES], draw.random()))
    films: list[Film] = []
    for study in range(studies if split == "train" else 1):
        chance = generator(*words, study)
        shown = present if study == 0 else _changed(chance, present)
        if "Pneumonia" in shown:
            shown = shown | {"Consolidation"}
        signs = {name: _seen(chance, conditions[name]) for name in DRAWN if name in shown}
        ap = bool(chance.random() < (0.60 if signs else 0.35))
        for view, lateral in enumerate(_views(chance, ap)):
            film = generator(*words, study, view)
            films.append(
                Film(
                    split=split,
                    patient=patient,
                    study=study,
                    view=view,
                    lateral=lateral,
                    ap=ap and not lateral,
                    sex=sex,
                    age=age,
                    hospital=hospital,
                    body=_positioned(film, body, ap and not lateral),
                    signs=signs,
                    shift=(film.normal(0, 0.025), film.normal(0, 0.02)),
                    scale=film.normal(0.97, 0.025),
                    rotation=film.normal(0, 0.025),
                    exposure=film.normal(0, 1),
                    words=(*words, study, view),
                )
            )
    return films


def _seen(chance: Generator, sign: Sign) -> Sign:
    """Return a patient's sign as one study shows it, a little more or less severe."""
    return replace(sign, severity=float(np.clip(sign.severity + chance.normal(0, 0.06), 0, 1)))


def _body(draw: Generator, female: bool, age: int) -> Body:
    def normal(mean: float, deviation: float, least: float = -9.0) -> float:
        return max(float(draw.normal(mean, deviation)), least)

    old = (age - 60) / 20
    width = normal(0.72, 0.028) if female else normal(0.76, 0.028)
    padding = float(np.clip(draw.normal(0, 1), -2, 2.5))
    dome = normal(0.47, 0.05) - 0.02 * padding
    return Body(
        chest_width=width,
        chest_depth=normal(0.38, 0.035) + 0.02 * old,
        apex=normal(-0.77, 0.02),
        dome_right=dome,
        dome_left=dome + normal(0.045, 0.018),
        neck=normal(0.25, 0.02) + 0.015 * padding,
        flank=width + 0.14 + 0.035 * padding,
        padding=padding,
        heart=width * normal(0.405, 0.03) + 0.006 * old,
        heart_tilt=normal(0.50, 0.12),
        mediastinum=normal(0.135, 0.013) + 0.004 * old,
        aorta=normal(0.085, 0.012, 0.05) + 0.010 * old,
        trachea=normal(0, 0.02),
        scoliosis=normal(0, 0.012),
        kyphosis=normal(0.12, 0.05) + 0.03 * old,
        vertebra=normal(0.135, 0.006),
        bone=normal(1.0, 0.12, 0.6) - 0.08 * old,
        breast=normal(0.13, 0.05, 0.04) if female else normal(0.0, 0.02, 0.0),
        breast_y=normal(0.22, 0.05),
        bust=normal(0.09, 0.035, 0.02) if female else 0.015,
        gas=normal(0.10, 0.06, 0.04),
        gas_x=normal(0.42, 0.06),
        rib_spacing=normal(0.148, 0.005),
        rib_phase=normal(0, 0.03),
        rib_slope=normal(0.42, 0.05),
        rib_width=normal(0.20, 0.02),
        cartilage=normal(0.42, 0.05),
        clavicle_y=normal(-0.66, 0.03),
        clavicle_tilt=normal(0, 0.03),
        scapula=normal(0.80, 0.03),
        hilum_y=normal(-0.04, 0.02),
        vessels=normal(1.0, 0.2, 0.5),
        vessel_phase=float(draw.uniform(0, 2 * np.pi)),
    )


def _positioned(draw: Generator, body: Body, ap: bool) -> Body:
    """Breathing and position of one film; a bedside (AP) film magnifies the heart."""
    breath = float(draw.normal(-0.05 if ap else 0.0, 0.025))
    return replace(
        body,
        dome_right=body.dome_right + breath,
        dome_left=body.dome_left + breath,
        heart=body.heart * (1.07 if ap else 1.0) * (1 + float(draw.normal(0, 0.015))),
        mediastinum=body.mediastinum * (1.10 if ap else 1.0),
        scapula=body.scapula - (0.14 if ap else 0.0),
        clavicle_y=body.clavicle_y - (0.06 if ap else 0.0),
        clavicle_tilt=body.clavicle_tilt + float(draw.normal(0, 0.02)),
    )


def _sign(draw: Generator, name: str) -> Sign:
    """Draw where a sign would be and how severe, whether or not the patient has it."""
    both = {"Pleural Effusion": 0.35, "Atelectasis": 0.15, "Edema": 1.0}.get(name, 0.0)
    side = 0 if draw.random() < both else (-1 if draw.random() < 0.55 else 1)
    lower = draw.random() < 0.6
    return Sign(
        severity=float(draw.beta(1.2, 1.3)),
        side=side,
        x=float(draw.uniform(0.30, 0.55)),
        y=float(draw.uniform(0.10, 0.32) if lower else draw.uniform(-0.55, -0.10)),
        z=float(draw.uniform(-0.15, 0.42)),
        size=float(draw.uniform(0, 1)),
        turn=float(draw.normal(0, 1)),
        variant=int(draw.integers(3)),
    )


def _present(draw: Generator) -> set[str]:
    """Draw which signs a patient has: failing hearts and infections bring several at once."""
    congestion, infection = draw.random() < 0.28, draw.random() < 0.28
    chances = {
        "Cardiomegaly": 0.60 if congestion else 0.13,
        "Edema": 0.62 if congestion else 0.08,
        "Pleural Effusion": 0.55 if congestion else 0.20,
        "Consolidation": 0.72 if infection else 0.07,
        "Atelectasis": 0.40 if congestion or infection else 0.18,
        "Support Devices": 0.55 if congestion or infection else 0.28,
        "Enlarged Cardiomediastinum": 0.05,
        "Lung Lesion": 0.08,
        "Pneumothorax": 0.09,
        "Pleural Other": 0.05,
        "Fracture": 0.06,
    }
    present = {name for name, chance in chances.items() if draw.random() < chance}
    if infection and "Consolidation" in present and draw.random() < 0.5:
        present.add("Pneumonia")
    return present


def _changed(draw: Generator, present: set[str]) -> set[str]:
    """Let signs resolve or appear between two studies of a patient."""
    chances = draw.random(len(DRAWN))
    return {
        name
        for name, chance in zip(DRAWN, chances, strict=True)
        if (name in present and chance > RESOLVES)
        or (name not in present and name != "Pneumonia" and chance < APPEARS)
    }


def _views(draw: Generator, ap: bool) -> list[bool]:
    """Draw a study's films: True for a lateral one. In all but a few, the first is frontal."""
    chances = draw.random(3)
    views = [bool(chances[0] < 0.02)]
    if chances[1] < (0.04 if ap else 0.32):
        views.append(not views[0])
    if chances[2] < 0.04:
        views.append(False)
    return views


def truth(film: Film) -> dict[str, float]:
    """Return the truth about a film's study: 1 or 0 for each of the drawn signs and their parents.

    A parent (Lung Opacity, Enlarged Cardiomediastinum) holds if one of its children does; No
    Finding holds if there is nothing but support devices.
    """
    shown = set(film.signs)
    if shown & {"Edema", "Consolidation", "Pneumonia", "Atelectasis", "Lung Lesion"}:
        shown.add("Lung Opacity")
    if "Cardiomegaly" in shown:
        shown.add("Enlarged Cardiomediastinum")
    if not shown - {"Support Devices"}:
        shown.add("No Finding")
    return {name: float(name in shown) for name in (*DRAWN, "Lung Opacity", "No Finding")}
