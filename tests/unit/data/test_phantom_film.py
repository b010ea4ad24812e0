from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from transfergrid.data.phantom_cohort import DRAWN, Sign, patient_films
from transfergrid.data.phantom_film import HOSPITALS, _anatomy, draw_film, film_shape, sign_masks
from transfergrid.data.phantom_signs import OVERLAYS, deformed

PEOPLE = range(20, 28)
SEEN_FROM_THE_SIDE = (
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Pleural Effusion",
    "Atelectasis",
    "Lung Lesion",
    "Support Devices",
)


def sign(severity=0.7, side=1, **changes):
    values = dict(x=0.42, y=0.1, z=0.2, size=0.5, turn=0.3, variant=1) | changes
    return Sign(severity=severity, side=side, **values)


def film_of(person, lateral=False, hospital=0, **signs):
    film = patient_films(3, "train", person)[0]
    named = {name.replace("_", " "): value for name, value in signs.items()}
    return replace(film, signs=named, lateral=lateral, ap=False, hospital=hospital)


def change(film, healthy):
    return np.abs(draw_film(film).astype(float) - draw_film(healthy))


def test_a_film_depends_on_its_words_alone():
    films = [film for person in range(6) for film in patient_films(5, "train", person)]
    alone = draw_film(films[-1])
    together = [draw_film(film) for film in films]
    assert np.array_equal(alone, together[-1])
    assert patient_films(5, "train", 5) == patient_films(5, "train", 5)
    assert alone.dtype == np.uint8

    def pixels(seed, split, person):
        return draw_film(replace(patient_films(seed, split, person)[0], hospital=0, lateral=False))

    first = pixels(5, "train", 20)
    for other in (pixels(6, "train", 20), pixels(5, "valid", 20), pixels(5, "train", 21)):
        assert np.abs(first.astype(float) - other).mean() > 5


def test_another_process_draws_the_same_film():
    code = (
        "import json, hashlib\n"
        "from transfergrid.data.phantom_cohort import patient_films\n"
        "from transfergrid.data.phantom_film import draw_film\n"
        "films = [f for p in range(4) for f in patient_films(1, 'test', p)]\n"
        "print(json.dumps([hashlib.sha256(draw_film(f).tobytes()).hexdigest() for f in films]))"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    first, second = (json.loads(run.stdout) for run in runs)
    assert first == second
    assert len(set(first)) == len(first)


def test_views_of_a_patient_show_the_same_body_with_other_noise():
    film = film_of(30)
    again = replace(film, words=(*film.words[:-1], 7))
    difference = draw_film(film).astype(float) - draw_film(again)
    assert 3 < np.std(difference) < 12  # noise of hospital A is 4 grey levels a film
    assert abs(np.mean(difference)) < 0.5


def test_drawing_stays_in_float32():
    for lateral in (False, True):
        film = film_of(20, lateral=lateral)
        parts = _anatomy(film, 64)
        arrays = {name: getattr(parts, name).dtype for name in vars(parts)}
        assert set(arrays.values()) == {np.dtype(np.float32)}, arrays
        for name, overlay in OVERLAYS.items():
            for array in overlay(sign(), parts, lateral):
                assert array.dtype == np.float32, name
                assert array.shape == (64, 64), name


@pytest.mark.parametrize(
    ("name", "lateral"),
    [(name, False) for name in sorted(OVERLAYS)] + [(name, True) for name in SEEN_FROM_THE_SIDE],
)
def test_a_finding_changes_its_mask_far_more_than_the_rest(name, lateral):
    inside, outside = [], []
    for person in PEOPLE:
        healthy = film_of(person, lateral)
        ill = replace(healthy, signs={name: sign(side=1 if person % 2 else -1)})
        mask = sign_masks(ill)[name]
        assert mask.shape == draw_film(ill).shape
        assert 0.0005 < mask.mean() < 0.4
        difference = change(ill, healthy)
        inside.append(difference[mask].mean())
        outside.append(difference[~mask].mean())
    assert np.mean(inside) > 4 * np.mean(outside)
    assert np.mean(inside) > 3  # grey levels


@pytest.mark.parametrize("name", sorted(set(OVERLAYS) - {"Support Devices"}))
def test_severity_makes_a_finding_plainer(name):
    totals = []
    for severity in (0.1, 0.5, 0.9):
        pairs = [(film_of(p), {name: sign(severity)}) for p in PEOPLE]
        totals.append(np.mean([change(replace(f, signs=g), f).sum() for f, g in pairs]))
    assert totals[0] < totals[1] < totals[2]


@pytest.mark.parametrize(
    "name",
    ["Atelectasis", "Consolidation", "Pleural Effusion", "Lung Lesion", "Pneumothorax", "Fracture"],
)
def test_sides_are_the_patients(name):
    for side in (-1, 1):
        mask = sign_masks(film_of(20, **{name.replace(" ", "_"): sign(side=side)}))[name]
        centre = np.argwhere(mask)[:, 1].mean() / mask.shape[1] - 0.5
        assert centre * side > 0.05  # the patient's left (1) is on the right of the film


def test_fluid_of_both_sides_lies_low_and_on_both_sides():
    mask = sign_masks(film_of(20, Pleural_Effusion=sign(side=0)))["Pleural Effusion"]
    rows, columns = np.argwhere(mask).T / mask.shape[0]
    assert rows.min() > 0.5
    assert 0.4 < (columns < 0.5).mean() < 0.6


def test_cardiomegaly_is_a_cardiothoracic_ratio_above_one_half():
    def ratio(person, severity):
        film = film_of(person, Cardiomegaly=sign(severity))
        chest = 2 * film.body.chest_width * film.scale * draw_film(film).shape[0] / 2
        return np.ptp(np.flatnonzero(sign_masks(film)["Cardiomegaly"].any(axis=0))) / chest

    ratios = np.array([[ratio(person, severity) for severity in (0, 0.8)] for person in PEOPLE])
    assert 0.38 < ratios[:, 0].mean() < 0.5 < 0.55 < ratios[:, 1].mean() < 0.75
    assert (ratios[:, 1] > ratios[:, 0]).all()


def test_a_fracture_breaks_the_rib_and_not_only_bruises_it():
    film = film_of(20, Fracture=sign())
    body = deformed(film.body, film.signs)
    assert abs(body.fracture[3]) > 0.3
    whole, broken = (
        _anatomy(replace(film, signs=signs), 128).density for signs in ({}, film.signs)
    )
    moved = np.abs(broken - whole) > 0.03
    assert moved.any()
    assert (np.argwhere(moved)[:, 1] > 64).all()  # on the broken side


def test_masks_name_what_is_there_and_pneumonia_is_its_consolidation():
    film = film_of(20, Consolidation=sign(), Pneumonia=sign(), Edema=sign())
    masks = sign_masks(film, 96)
    assert set(masks) == set(film.signs)
    assert np.array_equal(masks["Pneumonia"], masks["Consolidation"])
    assert {mask.shape for mask in masks.values()} == {film_shape(film, 96)}
    assert sign_masks(film_of(20)) == {}
    assert set(OVERLAYS) | {"Pneumonia"} == set(DRAWN)


def test_hospitals_differ_in_exposure_noise_border_and_shape():
    films = {
        hospital: [draw_film(film_of(person, hospital=hospital)) for person in PEOPLE]
        for hospital in range(len(HOSPITALS))
    }
    brightness = {
        hospital: np.mean([np.percentile(film[30:90, 30:90], 60) for film in drawn])
        for hospital, drawn in films.items()
    }
    assert brightness[1] - 10 > brightness[0] > brightness[2] + 10
    noise = {
        hospital: np.median([np.abs(np.diff(film[60:90].astype(float))).mean() for film in drawn])
        for hospital, drawn in films.items()
    }
    assert noise[2] > 1.2 * noise[0]
    assert all((film[0] == 4).all() and (film[:, -1] == 4).all() for film in films[1])
    assert not any((film[0] == 4).all() for film in films[0])
    assert films[0][0].shape == (128, 128)
    assert films[1][0].shape == (128, 147)
    assert draw_film(film_of(20, lateral=True, hospital=1), 100).shape == (115, 100)


def test_films_are_neither_black_nor_burnt_out():
    films = [film for person in range(40) for film in patient_films(0, "train", person)]
    for film in films:
        drawn = draw_film(film)
        height, width = drawn.shape
        middle = drawn[height // 4 : -height // 4, width // 4 : -width // 4]
        assert (drawn >= 254).mean() < 0.25
        assert np.std(middle) > 25
