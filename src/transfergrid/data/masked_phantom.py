"""The mask_phantom kind: drawn chest films with the masks of what was drawn.

Films are those of the phantom's patients as they are drawn, before they become JPEGs of CheXpert's
layout, and frontal ones alone. They prove the machinery and never a medical claim.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from transfergrid.data.manifest import Manifest
from transfergrid.data.mask_coverage import Mask
from transfergrid.data.mask_layers import Size
from transfergrid.data.mask_set import MaskSet
from transfergrid.data.masked_manifest import masked_manifest
from transfergrid.data.phantom import NOTE, PATIENTS
from transfergrid.data.phantom_cohort import Film, patient_films

# Named as one that others do not use, because its name is part of the code of all drawn films.
from transfergrid.data.phantom_film import _anatomy, draw_film, film_shape
from transfergrid.data.phantom_layout import film_name, first_numbers
from transfergrid.data.store import SPLITS

STRUCTURES = ("lung", "heart")
"""Aerated lung where neither heart nor great vessels lie before it, and the heart's shadow."""

_COUNT_KEYS = {"train": "patients", "valid": "valid_patients", "test": "test_patients"}
_LEAST_NATIVE_PX = 128


@dataclass(frozen=True)
class DrawnFilms:
    """Films drawn when they are read, as a manifest has them.

    Attributes:
        films: What each shows.
        names: Name of each.
        native_px: Shorter side as drawn.
    """

    films: tuple[Film, ...]
    names: tuple[str, ...]
    native_px: int

    def __len__(self) -> int:
        return len(self.films)

    def read(self, index: int) -> npt.NDArray[np.uint8]:
        """Draw a film: (H, W) uint8."""
        return draw_film(self.films[index], self.native_px)

    def name(self, index: int) -> str:
        """Return a film's name."""
        return self.names[index]


@dataclass(frozen=True)
class DrawnLayer:
    """Masks of the structures in drawn films.

    Attributes:
        drawn: The films.
        structures: Some of `STRUCTURES`, in order.
    """

    drawn: DrawnFilms
    structures: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.drawn)

    def read(self, index: int, size: Size) -> Mask:
        """Draw the masks of a film: (K, H, W); a pixel is of what makes more than half of it."""
        parts = _anatomy(self.drawn.films[index], self.drawn.native_px)
        return np.stack([getattr(parts, name) > 0.5 for name in self.structures]).astype(np.uint8)


@dataclass(frozen=True)
class DrawnMasks(MaskSet):
    """The same for a manifest; no film is drawn to learn its size."""

    def read(self, index: int, size: Size | None = None) -> Mask:
        """Return a film's masks at its own size, as `MaskSet.read`."""
        (layer,) = self.layers
        drawn = layer.drawn  # type: ignore[attr-defined]
        return super().read(index, film_shape(drawn.films[index], drawn.native_px))


def read(options: Mapping[str, Any], root: Path) -> Manifest:
    """Draw a set of films with masks.

    Args:
        options: The declaration: ``structures``, ``patients``, ``valid_patients``,
            ``test_patients``, ``seed``, ``image_px``.
        root: Not used.

    Returns:
        A manifest of patients; a film is a case of its own.
    """
    patients = {split: int(options.get(key, PATIENTS[split])) for split, key in _COUNT_KEYS.items()}
    first, seed = first_numbers(patients), int(options.get("seed", 0))
    films = tuple(
        film
        for split in SPLITS
        for patient in range(patients[split])
        for film in patient_films(seed, split, patient)
        if not film.lateral
    )
    names = tuple(film_name(film, first[film.split]) for film in films)
    drawn = DrawnFilms(films, names, max(_LEAST_NATIVE_PX, int(options["image_px"])))
    layer = DrawnLayer(drawn, tuple(options.get("structures") or STRUCTURES))
    masks = DrawnMasks(drawn, (layer,))
    people = [f"patient{first[film.split] + film.patient:05d}" for film in films]
    ids = (names, names, people, "frontal", [film.split for film in films])
    return masked_manifest(ids, masks, options, True, notes=(NOTE,))
