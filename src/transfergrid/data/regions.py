"""Where a sign truly is in an image, for the data sets that know."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from transfergrid.data import rle
from transfergrid.data.boxes import Boxes
from transfergrid.data.chexpert import PUBLISHED
from transfergrid.data.images import resize
from transfergrid.data.phantom import PATIENTS
from transfergrid.data.phantom_cohort import DRAWN, Film, patient_films
from transfergrid.data.phantom_film import sign_masks
from transfergrid.data.phantom_layout import film_name, first_numbers
from transfergrid.planning.identifiers import identifier
from transfergrid.runtime.errors import UserError

Mask = npt.NDArray[np.bool_]

_PARENTS = {
    "Lung Opacity": ("Edema", "Consolidation", "Pneumonia", "Atelectasis", "Lung Lesion"),
    "Enlarged Cardiomediastinum": ("Enlarged Cardiomediastinum", "Cardiomegaly"),
}
"""A parent is where its children are, as in `phantom_cohort.truth`."""


class Regions(Protocol):
    """Something that knows the true regions in a data set's test images."""

    def find(self, image_id: str, task: str) -> Mask | None:
        """Return (px, px) in the form of the cache's images, or None if none is known."""
        ...

    def check(self, image_ids: Iterable[str]) -> None:
        """Check that they belong to these images; UserError where they know none of them."""
        ...


@dataclass(frozen=True)
class PhantomRegions:
    """The regions in a drawn set's test films, known to the program that drew them.

    Attributes:
        declaration: The data set's declaration, as in a cell's spec.json.
    """

    declaration: Mapping[str, Any]

    def find(self, image_id: str, task: str) -> Mask | None:
        """Return where a sign was drawn, in the form of the cache's images.

        Args:
            image_id: An image of the test split.
            task: A task's identifier.

        Returns:
            (px, px); None if the view does not show the sign, or the sign has no place.
        """
        film = self._films[image_id]
        px = int(self.declaration["image_px"])
        # As large as the film was drawn: texture and outline depend on it.
        masks = sign_masks(film, max(128, px))
        names = _DRAWN_AS.get(task, ())
        parts = [masks[name] for name in names if name in masks]
        if not parts:
            return None
        grey = (np.any(parts, axis=0) * np.uint8(255)).astype(np.uint8)
        mask = resize(grey, px, str(self.declaration["resize"]), "grey") > 127
        return mask if mask.any() else None

    def check(self, image_ids: Iterable[str]) -> None:
        """Do nothing: the regions are drawn from the films' own names."""

    @cached_property
    def _films(self) -> dict[str, Film]:
        options = self.declaration
        keys = {"train": "patients", "valid": "valid_patients", "test": "test_patients"}
        patients = {split: int(options.get(keys[split], PATIENTS[split])) for split in PATIENTS}
        first, seed = first_numbers(patients), int(options.get("seed", 0))
        # In folds, every film is tested.
        splits = list(PATIENTS) if options.get("folds") else ["test"]
        films = (
            film
            for split in splits
            for patient in range(patients[split])
            for film in patient_films(seed, split, patient)
        )
        return {film_name(film, first[film.split]): film for film in films}


_DRAWN_AS = {identifier(name): (name,) for name in DRAWN} | {
    identifier(parent): children for parent, children in _PARENTS.items()
}


_PUBLISHED_AS = {identifier(name): name for name in PUBLISHED}
_PUBLISHED_AS["lung_opacity"] = "Airspace Opacity"  # its name in CheXlocalize


@dataclass(frozen=True)
class DrawnByReaders:
    """The regions that radiologists drew on CheXpert's films (CheXlocalize).

    Attributes:
        declaration: The data set's declaration, as in a cell's spec.json.
        path: CheXlocalize's JSON of segmentations: for each film, named
            ``patient64541_study1_view1_frontal``, a mask by label in COCO's run lengths.
    """

    declaration: Mapping[str, Any]
    path: Path

    def find(self, image_id: str, task: str) -> Mask | None:
        """Return where readers saw a sign, in the form of the cache's images.

        Args:
            image_id: An image of the test split: ``test/patient64741/study1/view1_frontal.jpg``.
            task: A task's identifier.

        Returns:
            (px, px); None if nothing was drawn.

        Raises:
            UserError: The film's entry is not a mask.
        """
        name = _PUBLISHED_AS.get(task, "")
        entry = self._films.get(_film_key(image_id), {}).get(name)
        if entry is None:
            return None
        try:
            drawn = rle.decode(str(entry["counts"]), (entry["size"][0], entry["size"][1]))
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise UserError(
                f"{self.path}: '{name}' of {_film_key(image_id)} is not a mask ({error}); download "
                "the file again."
            ) from None
        if not drawn.any():
            return None
        px, rule = int(self.declaration["image_px"]), str(self.declaration["resize"])
        mask = resize(drawn.astype(np.uint8) * 255, px, rule, "grey") > 127
        return mask if mask.any() else None

    def check(self, image_ids: Iterable[str]) -> None:
        """Check that the file belongs to this split.

        Raises:
            UserError: It knows none of the images.
        """
        keys = {_film_key(str(image_id)) for image_id in image_ids}
        if not keys & self._films.keys():
            raise UserError(
                f"{self.path} has none of the test films of {self.declaration['id']} (such as "
                f"{min(keys)}); give the file for the split that is tested on."
            )

    @cached_property
    def _films(self) -> dict[str, dict[str, Any]]:
        try:
            films = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(f"regions {self.path} cannot be read as JSON ({error}).") from None
        if not isinstance(films, dict) or not all(isinstance(v, dict) for v in films.values()):
            raise UserError(
                f"{self.path} does not hold masks by film and label; give CheXlocalize's "
                "gt_segmentations file."
            )
        return films


def _film_key(image_id: str) -> str:
    _, _, rest = image_id.partition("/")
    return rest.rpartition(".")[0].replace("/", "_") if "." in rest else rest.replace("/", "_")


def true_regions(declaration: Mapping[str, Any], path: Path | None = None) -> Regions | None:
    """Return what knows a data set's regions, or None if nothing does.

    Args:
        declaration: The data set's declaration, as in a cell's spec.json.
        path: The user's file of regions, if the data set may have one.
    """
    if declaration["kind"] == "phantom" and declaration.get("set") == "chest":
        return PhantomRegions(declaration)
    if path is None:
        return None
    if declaration["kind"] == "chexpert":
        return DrawnByReaders(declaration, path)
    return Boxes(declaration, path) if declaration["kind"] == "nih14" else None
