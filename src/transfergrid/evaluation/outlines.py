"""Compare what a cell's selections mark on its test films with the true masks, outlines too.

Masks are compared at the size of the cache or at the films' own. For the latter, the true ones are
read from the data set again, and the probabilities that a network gives are brought back to the
film as the film was brought to the cache.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transfergrid.data.mask_films import FilmMasks, enlarge, marked_at, spacing_in_square
from transfergrid.data.mask_spacing import Spacing, spacing_of
from transfergrid.data.store import open_split, read_card
from transfergrid.evaluation.marked import MarkedFilms, chosen_by, marked_films
from transfergrid.evaluation.outline_files import Compared, number_names, write_compared
from transfergrid.metrics.mask_record import pack
from transfergrid.metrics.overlap import count_overlap
from transfergrid.metrics.surfaces import measure_surfaces
from transfergrid.models.trained import Trained
from transfergrid.planning.distances import unit_of
from transfergrid.planning.ends import weighings_directory
from transfergrid.planning.naming import cell_name, fold_of
from transfergrid.planning.paths import cache_directory, cell_directory

FILM, CACHE = "film", "cache"
"""What ``scored_at`` says: whether masks are compared at the films' own size or at the cache's."""


@dataclass(frozen=True)
class Measurement:
    """What is compared of a trained cell, and where.

    Attributes:
        spec: The content of the cell's spec.json.
        results: The folder of all outputs.
        selections: Rules such as "best" or "top3".
        tolerances: At which outlines are compared; None compares no outlines.
        own_size: Whether masks are compared at the films' own size, and not at that of the cache.
        spacing: The data set's, in mm; None where it is not known.
        declaration: What the data set's reader and cache were made from. It is read again where
            masks are compared at their own size, or distances are in mm.
        root: Where the data set lies; None where it is drawn.
        device: "cpu", "cuda" or "cuda:<n>".
    """

    spec: Mapping[str, Any]
    results: Path
    selections: tuple[str, ...]
    tolerances: tuple[float, ...] | None
    own_size: bool
    spacing: Spacing | None
    declaration: Mapping[str, Any]
    root: Path | None
    device: str = "cpu"

    @classmethod
    def planned(
        cls,
        made_from: Mapping[str, Any],
        spec: Mapping[str, Any],
        results: Path,
        note: Mapping[str, Any],
        device: str = "cpu",
    ) -> Measurement:
        """Return what was planned.

        Args:
            made_from: What `transfergrid.planning.weighings.Weighing` holds of it.
            spec: The content of the cell's spec.json.
            results: The folder of all outputs.
            note: Where the data set lies, see `transfergrid.planning.inputs.Dataset.location`.
            device: "cpu", "cuda" or "cuda:<n>".
        """
        tolerances = made_from["tolerances"]
        return cls(
            spec,
            results,
            selections=tuple(made_from["selections"]),
            tolerances=None if tolerances is None else tuple(map(float, tolerances)),
            own_size=made_from.get("scored_at") == FILM,
            spacing=made_from.get("spacing"),
            declaration=note["declaration"],
            root=Path(note["root"]) if note["root"] else None,
            device=device,
        )


@dataclass(frozen=True)
class _Comparison:
    """How masks are compared.

    Attributes:
        tolerances: At which outlines are compared; None compares no outlines.
        films: The films' own masks; None where only those of the cache are needed.
        own_size: Whether masks are compared at the films' own size.
        exclusive: Whether a pixel has one structure at most.
        spacing: (N, 2) mm between the pixels of each film of `films`; None where it is not known.
    """

    tolerances: tuple[float, ...] | None
    films: FilmMasks | None = None
    own_size: bool = False
    exclusive: bool = False
    spacing: NDArray[np.float64] | None = None

    @classmethod
    def of(cls, asked: Measurement, exclusive: bool) -> _Comparison:
        """Read the films again where a measurement needs them."""
        if not asked.own_size and asked.spacing is None:
            return cls(asked.tolerances)
        films = FilmMasks.of(asked.declaration, asked.root)
        spacing = None
        if asked.spacing is not None:
            spacing = spacing_of(asked.spacing, asked.declaration, asked.root, len(films.row))
        return cls(asked.tolerances, films, asked.own_size, exclusive, spacing)

    def rows(self, part: MarkedFilms, names: NDArray[np.str_]) -> dict[str, NDArray[np.float64]]:
        """Return by selection (n, T, K) numbers of some films, of which the names are given."""
        if self.films is None:
            return {
                name: self._packed(marks.marked, part.truth, None)
                for name, marks in part.marks.items()
            }
        found: dict[str, list[NDArray[np.float64]]] = {name: [] for name in part.marks}
        for place, film in enumerate(map(str, names)):
            truth, spacing = part.truth[place], None
            if self.own_size:
                truth, frame = self.films.read(film, truth)
            else:
                frame = self.films.frame(film)
            if self.spacing is not None:
                spacing = self.spacing[self.films.row[film]]
                spacing = spacing if self.own_size else spacing_in_square(spacing, frame)
            for name, marks in part.marks.items():
                marked = marks.marked[place]
                if self.own_size:
                    marked = marked_at(enlarge(marks.probability[place], frame), self.exclusive)
                found[name].append(self._packed(marked, truth, spacing))
        return {name: np.stack(rows) for name, rows in found.items()}

    def _packed(
        self,
        marked: NDArray[np.bool_],
        truth: NDArray[np.uint8],
        spacing: NDArray[np.float64] | None,
    ) -> NDArray[np.float64]:
        surfaces = None
        if self.tolerances is not None:
            surfaces = measure_surfaces(marked, truth, self.tolerances, spacing)
        return pack(count_overlap(marked, truth), surfaces)


def record_outlines(outlines_id: str, asked: Measurement) -> None:
    """Compare masks as `compare_masks` does, and write what was found.

    Args:
        outlines_id: Id of the measurement.
        asked: The measurement.

    Raises:
        UserError: As `compare_masks`.
    """
    write_compared(weighings_directory(outlines_id, asked.results), compare_masks(asked))


def compare_masks(asked: Measurement) -> Compared:
    """Compare what selections mark on the test films with the true masks.

    Args:
        asked: The measurement.

    Raises:
        UserError: The cell is not trained, its files are not what was written, an output of its
            networks is not finite, or the data set's masks are not those that were cached.
    """
    spec, results, selections = asked.spec, asked.results, asked.selections
    numbers = number_names(asked.tolerances)
    cache, fold = cache_directory(spec["dataset"]["id"], results), fold_of(spec)
    films, card = open_split(cache, "test", fold), read_card(cache, fold)
    comparison = _Comparison.of(asked, card.masks == "exclusive")
    cell = Trained.of(cell_directory(cell_name(spec), results))
    shape = len(films.image_id), len(card.tasks), len(numbers)
    rows, counts = {name: np.full(shape, np.nan) for name in selections}, dict[str, int]()
    if cell.checkpoints():
        counts = {name: len(own) for name, own in chosen_by(spec, cell, selections).items()}
        for part in marked_films(spec, results, selections, "test", asked.device):
            for name, found in comparison.rows(part, films.image_id[part.rows]).items():
                rows[name][part.rows] = found
    return Compared(
        image_id=films.image_id,
        rows=rows,
        checkpoints={name: counts.get(name, 0) for name in selections},
        numbers=numbers,
        unit=unit_of(asked.tolerances is not None, comparison.spacing is not None),
        scored_at=FILM if asked.own_size else CACHE,
    )
