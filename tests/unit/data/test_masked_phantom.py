"""Drawn films with masks, against what draws signs and against the films themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from transfergrid.commands.images import of_mask_phantom
from transfergrid.data import masked_phantom
from transfergrid.data.cache import build_cache
from transfergrid.data.manifest import Manifest
from transfergrid.data.phantom_film import sign_masks
from transfergrid.data.store import open_split, read_card

DRAWN: dict[str, Any] = {
    "kind": "mask_phantom",
    "structures": ["lung", "heart"],
    "patients": 12,
    "valid_patients": 4,
    "test_patients": 4,
    "seed": 3,
    "image_px": 32,
    "resize": "crop",
}


def films(**changes: Any) -> Manifest:
    return masked_phantom.read({**DRAWN, **changes}, Path())


def test_masks_are_of_what_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    found = films()
    pixels = [found.images.read(index) for index in range(len(found.images))]
    drawn: Any = found.images
    monkeypatch.setattr(masked_phantom, "draw_film", None)  # nor is one drawn to learn its size
    large = 0
    for index, film in enumerate(pixels):
        assert found.masks is not None and not drawn.films[index].lateral
        lung, heart = found.masks.read(index) == 1
        assert lung.shape == film.shape and not (lung & heart).mean() > 0.01
        assert film[heart].mean() > film[lung].mean() + 20  # lungs hold air, and are dark
        signs = sign_masks(drawn.films[index], drawn.native_px)
        if "Cardiomegaly" in signs:  # whose mask is the heart
            assert np.array_equal(heart, signs["Cardiomegaly"])
            large += 1
    assert large > 0


def test_a_cache_has_them_beside_its_films(tmp_path: Path) -> None:
    build_cache(DRAWN, None, tmp_path / "drawn", 1)
    card = read_card(tmp_path / "drawn")
    assert (card.task_kind, card.tasks) == ("segmentation", ("lung", "heart"))
    assert card.synthetic and card.patients == "known"
    train, test = (open_split(tmp_path / "drawn", split) for split in ("train", "test"))
    assert train.masks is not None and train.masks.shape == (len(train.images), 2, 32, 32)
    assert not set(train.patient_id) & set(test.patient_id)
    of_heart = films(structures=["heart"])
    assert of_heart.tasks == ("heart",)
    assert of_heart.table["image_id"].tolist() == films().table["image_id"].tolist()


def test_their_number_is_told_before_they_are_drawn() -> None:
    many = {"patients": 200, "valid_patients": 60, "test_patients": 60}
    told = of_mask_phantom({**DRAWN, **many}, None)
    counts = films(**many).table["split"].value_counts()
    assert told.tasks == 2 and told.patients == 200
    for split in ("train", "valid", "test"):
        assert getattr(told, split) == pytest.approx(counts[split], rel=0.1)
