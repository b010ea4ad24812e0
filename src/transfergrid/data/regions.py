"""Where a finding truly is in an image, for the data sets that know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from transfergrid.data.images import resize
from transfergrid.data.manifest import identifier
from transfergrid.data.phantom import PATIENTS
from transfergrid.data.phantom_cohort import DRAWN, Film, patient_films
from transfergrid.data.phantom_film import finding_masks
from transfergrid.data.phantom_layout import film_name, first_numbers

Mask = npt.NDArray[np.bool_]

_PARENTS = {
    "Lung Opacity": ("Edema", "Consolidation", "Pneumonia", "Atelectasis", "Lung Lesion"),
    "Enlarged Cardiomediastinum": ("Enlarged Cardiomediastinum", "Cardiomegaly"),
}
"""A parent is where its children are, as `phantom_cohort.truth` has it."""


class Regions(Protocol):
    """What knows the true regions of a data set's test images."""

    def find(self, image_id: str, task: str) -> Mask | None:
        """Return (px, px) in the form of the cache's images, or None where none is known."""
        ...


@dataclass(frozen=True)
class PhantomRegions:
    """The regions of a drawn set's test films, which the program that drew them knows.

    Attributes:
        declaration: The data set's declaration, as in a cell's spec.json.
    """

    declaration: Mapping[str, Any]

    def find(self, image_id: str, task: str) -> Mask | None:
        """Return where a finding was drawn, in the form of the cache's images.

        Args:
            image_id: An image of the test split.
            task: A task's identifier.

        Returns:
            (px, px); None where the view does not show the finding, or it has no place.
        """
        film = self._films[image_id]
        px = int(self.declaration["image_px"])
        # As large as the film was drawn: texture and outline depend on it.
        masks = finding_masks(film, max(128, px))
        names = _DRAWN_AS.get(task, ())
        parts = [masks[name] for name in names if name in masks]
        if not parts:
            return None
        grey = (np.any(parts, axis=0) * np.uint8(255)).astype(np.uint8)
        mask = resize(grey, px, str(self.declaration["resize"]), "grey") > 127
        return mask if mask.any() else None

    @cached_property
    def _films(self) -> dict[str, Film]:
        options = self.declaration
        keys = {"train": "patients", "valid": "valid_patients", "test": "test_patients"}
        patients = {split: int(options.get(keys[split], PATIENTS[split])) for split in PATIENTS}
        first = first_numbers(patients)["test"]
        seed = int(options.get("seed", 0))
        films = (
            film
            for patient in range(patients["test"])
            for film in patient_films(seed, "test", patient)
        )
        return {film_name(film, first): film for film in films}


_DRAWN_AS = {identifier(name): (name,) for name in DRAWN} | {
    identifier(parent): children for parent, children in _PARENTS.items()
}


def true_regions(declaration: Mapping[str, Any]) -> Regions | None:
    """Return what knows the regions of a data set, or None where nothing does."""
    if declaration["kind"] == "phantom" and declaration.get("set") == "chest":
        return PhantomRegions(declaration)
    return None
