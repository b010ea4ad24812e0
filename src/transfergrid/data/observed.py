"""What each of several observers marks on a film, for the human line of a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from transfergrid.data.blocks import Form
from transfergrid.data.mask_coverage import UNKNOWN, YES, Frame, Mask
from transfergrid.data.mask_files import film_size
from transfergrid.data.mask_films import read_tested, spacing_in_square
from transfergrid.data.mask_layers import Observers
from transfergrid.data.mask_set import MaskSet
from transfergrid.data.mask_spacing import Spacing, spacing_of
from transfergrid.data.mask_table import observed
from transfergrid.runtime.errors import UserError


@dataclass(frozen=True)
class ObservedFilms:
    """The films of a data set, with the masks of every observer.

    Attributes:
        rows: By a film's id its place in the manifest.
        observers: The masks of each observer, the first one's first.
        structures: The structures that all of them have looked for; the masks of others are the
            same for each.
        form: The form of the cache's films, to which masks are brought.
        first_is_true: Whether the first one's masks are the data set's true ones.
        own_size: Whether masks are compared at the films' own size, and not at the cache's.
        spacing: (N, 2) mm between the pixels of each film; None where it is not known.
    """

    rows: Mapping[str, int]
    observers: tuple[MaskSet, ...]
    structures: tuple[str, ...]
    form: Form
    first_is_true: bool
    own_size: bool = False
    spacing: npt.NDArray[np.float64] | None = None

    @classmethod
    def read(
        cls,
        declaration: Mapping[str, Any],
        root: Path | None,
        own_size: bool = False,
        spacing: Spacing | None = None,
    ) -> ObservedFilms:
        """Read where the masks of all observers are.

        Args:
            declaration: The data set's, under which its reader gives observers apart.
            root: Where the data lie.
            own_size: Whether masks are compared at the films' own size.
            spacing: The data set's ``spacing``, or None.

        Raises:
            UserError: Any fault that the reader finds, or there is one observer.
        """
        manifest = read_tested(declaration, root)
        masks = manifest.masks
        assert isinstance(masks, MaskSet)  # of every kind that declares observers
        layers = [layer for layer in masks.layers if isinstance(layer, Observers)]
        count = min((len(layer.layers) for layer in layers), default=1)
        if count < 2:
            raise UserError(f"the masks in {root} have one observer; name a second one.")
        films = manifest.table["image_id"].astype(str).tolist()
        return cls(
            {name: row for row, name in enumerate(films)},
            tuple(observed(masks, number) for number in range(count)),
            tuple(name for layer in layers for name in layer.structures),
            Form.declared(declaration),
            all(layer.rule == "first" for layer in layers),
            own_size,
            None if spacing is None else spacing_of(spacing, declaration, root, len(films)),
        )

    def masks(self, film: str, observer: int) -> Mask:
        """Return (C, H, W) of a film at the size that is compared, as that observer drew it.

        Raises:
            UserError: A mask is missing, broken or not of its film, or there is no such film.
        """
        row, masks = self._row(film), self.observers[observer]
        try:
            own = masks.read(row)
        except (OSError, ValueError) as error:
            raise UserError(str(error)) from None
        return own if self.own_size else masks.resized(own, row, self.form.px, self.form.rule)

    def steps(self, film: str) -> npt.NDArray[np.float64] | None:
        """Return (2,) mm from row to row and column to column of what is compared, if known."""
        if self.spacing is None:
            return None
        row = self._row(film)
        if self.own_size:
            return np.asarray(self.spacing[row])
        size = film_size(self.observers[0].images, row)
        frame = Frame.of((size[0], size[1]), self.form.px, self.form.rule)
        return spacing_in_square(self.spacing[row], frame)

    def _row(self, film: str) -> int:
        if film not in self.rows:
            raise UserError(
                f"film {film} was scored and is not among those of the data set any more; restore "
                "it, or remove the data set's cache and cells."
            )
        return self.rows[film]


def as_answer(mask: Mask, truth: Mask) -> tuple[Mask, Mask]:
    """Return what one observer marks, and another one's masks as the truth of it.

    Args:
        mask: (C, H, W) of the first named.
        truth: (C, H, W) of the other.

    Returns:
        (C, H, W) of 0 and 1, and the truth, unknown also where the first named does not know.
    """
    known = mask != UNKNOWN
    return (mask == YES).astype(np.uint8), np.where(known, truth, np.uint8(UNKNOWN))
