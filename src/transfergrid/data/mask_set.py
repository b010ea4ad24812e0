"""The true masks of a data set's films, and what is wrong with them as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from transfergrid.catalog.mask_pixels import UNKNOWN, YES
from transfergrid.data.images import missing
from transfergrid.data.manifest import Images
from transfergrid.data.mask_coverage import Mask, resize_masks
from transfergrid.data.mask_files import film_size
from transfergrid.data.mask_layers import FileLayer, Layer, Observers, Size
from transfergrid.data.mask_store import deal, write_undealt
from transfergrid.runtime.errors import UserError, listed

TASK_KIND = "segmentation"
"""The kind of task of a data set with masks."""


@dataclass(frozen=True)
class MaskSet:
    """Masks of every structure in every film; index i belongs to row i of the manifest.

    Attributes:
        images: The films.
        layers: Where the masks come from; their structures, one layer after the other, are the data
            set's tasks.
        exclusive: Whether a pixel belongs to one structure at most.
        field_of_view: Where films show anything: what lies outside is unknown. None where it is not
            told.
    """

    images: Images
    layers: tuple[Layer, ...]
    exclusive: bool = False
    field_of_view: Layer | None = None

    def __post_init__(self) -> None:
        names = self.structures
        twice = [name for place, name in enumerate(names) if name in names[:place]]
        if twice or not names:
            what = f"names '{twice[0]}' twice" if twice else "names no structure"
            raise UserError(f"masks {what}; name each structure once.")
        for layer in self._every():
            if len(layer) != len(self.images):
                raise UserError(
                    f"there are {len(layer)} masks of {listed(layer.structures)} for "
                    f"{len(self.images)} films; give one a film."
                )

    def __len__(self) -> int:
        """Return the number of films."""
        return len(self.images)

    @property
    def structures(self) -> tuple[str, ...]:
        """The structures, in order."""
        return tuple(name for layer in self.layers for name in layer.structures)

    def read(self, index: int, size: Size | None = None) -> Mask:
        """Return a film's masks at its own size.

        Args:
            index: Which film.
            size: Its height and width; None looks at the film for them.

        Returns:
            (C, H, W), unknown outside of the field of view.

        Raises:
            UserError: A mask is missing, broken, or not of this film.
        """
        size = film_size(self.images, index) if size is None else size
        masks = np.concatenate([layer.read(index, size) for layer in self.layers])
        if self.field_of_view is not None:
            seen = self.field_of_view.read(index, size)[0] == YES
            masks = np.where(seen, masks, np.uint8(UNKNOWN))
        if self.exclusive:
            masks[:, (masks == UNKNOWN).any(axis=0)] = UNKNOWN
        return masks

    def resized(self, masks: Mask, index: int, px: int, rule: str) -> Mask:
        """Bring what `read` returned to the form of the cache's films.

        Raises:
            UserError: Structures overlap that are said to exclude each other.
        """
        try:
            return resize_masks(masks, px, rule, self.exclusive)
        except ValueError as error:
            raise UserError(
                f"masks of {self.images.name(index)}: {error}; correct them, or remove exclusive."
            ) from None

    def missing(self) -> list[tuple[str, str]]:
        """Look for every file of a mask without opening one; return name and fault of each lost."""
        lost = {}
        for layer in _files(self._every()):
            for index in range(len(layer)):
                for name, path in zip(layer.names[index], layer.paths(index), strict=True):
                    fault = missing(path)
                    if fault:
                        lost[name] = f"mask {fault.removeprefix('image ')}"
        return list(lost.items())

    def write(
        self, px: int, rule: str, folder: Path, workers: int, label: str
    ) -> npt.NDArray[np.float32]:
        """Read every film's masks once into a folder; see `mask_store.write_undealt`."""
        return write_undealt(self, px, rule, folder, workers, label)

    def deal(self, folder: Path, rows: Mapping[str, npt.NDArray[np.intp]]) -> dict[str, str]:
        """Deal what `write` wrote out to the parts of a cache; see `mask_store.deal`."""
        return deal(folder, rows)

    def check_shown(
        self, shown: npt.NDArray[np.float32], split: npt.NDArray[Any], structures: Sequence[str]
    ) -> None:
        """Check that every structure is in some film of each split; see `check_shown`."""
        check_shown(shown, split, structures)

    def _every(self) -> tuple[Layer, ...]:
        return (*self.layers, *([self.field_of_view] if self.field_of_view else []))


def check_shown(
    shown: npt.NDArray[np.float32],
    split: Sequence[str] | npt.NDArray[np.str_],
    structures: Sequence[str],
) -> None:
    """Check that every structure is in some film of each split.

    Without one, nothing can be learned of it, or it is scored by false alarms alone. A structure
    that is in every film is no fault.

    Args:
        shown: (N, C) as `transfergrid.data.mask_coverage.presence` tells it.
        split: (N,) the split, or part, of each film.
        structures: (C,) the structures.

    Raises:
        UserError: All masks of a structure are empty or unknown in a split.
    """
    split = np.asarray(split)
    for name in dict.fromkeys(split.tolist()):
        some = (shown[split == name] == 1).any(axis=0)
        lost = [task for task, found in zip(structures, some, strict=True) if not found]
        if lost:
            raise UserError(
                f"no mask of {name} has a pixel of {listed(lost)} ({(split == name).sum()} films); "
                "split the films in another way, correct the masks, or leave the structure out."
            )


def unread(structures: Sequence[str], films: int) -> pd.DataFrame:
    """Return the manifest's columns of structures as they are before masks are read: unknown."""
    return pd.DataFrame({name: np.full(films, np.nan, np.float32) for name in structures})


def _files(layers: Sequence[Layer]) -> list[FileLayer]:
    found: list[FileLayer] = []
    for layer in layers:
        if isinstance(layer, FileLayer):
            found.append(layer)
        elif isinstance(layer, Observers):
            found += _files(layer.layers)
    return found
