"""Compare what a cell's selections mark on its test films with the true masks, outlines too.

Masks are compared at the size of the cache or at the films' own. For the latter, the true ones are
read from the data set again, and the probabilities that a network gives are brought back to the
film as the film was brought to the cache.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transfergrid.data.mask_films import FilmMasks, enlarge, marked_at, spacing_in_square
from transfergrid.data.mask_spacing import spacing_of
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
from transfergrid.runtime.watcher import Watcher

FILM = "film"
"""What ``scored_at`` says where masks are compared at the films' own size."""


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

    tolerances: Sequence[float] | None
    films: FilmMasks | None = None
    own_size: bool = False
    exclusive: bool = False
    spacing: NDArray[np.float64] | None = None

    @classmethod
    def of(
        cls, made_from: Mapping[str, Any], exclusive: bool, note: Mapping[str, Any] | None
    ) -> _Comparison:
        """Return what a measurement asks for; see `compare_masks`."""
        tolerances, declared = made_from["tolerances"], made_from.get("spacing")
        own_size = made_from.get("scored_at") == FILM
        if not own_size and declared is None:
            return cls(tolerances)
        assert note is not None
        declaration, root = note["declaration"], note["root"] and Path(note["root"])
        films = FilmMasks.of(declaration, root)
        spacing = None
        if declared is not None:
            spacing = spacing_of(declared, declaration, root, len(films.row))
        return cls(tolerances, films, own_size, exclusive, spacing)

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


def record_outlines(
    outlines_id: str,
    made_from: Mapping[str, Any],
    spec: Mapping[str, Any],
    results: Path,
    device: str = "cpu",
    note: Mapping[str, Any] | None = None,
    watcher: Watcher | None = None,
) -> None:
    """Compare masks as `compare_masks` does, and write what was found.

    Args:
        outlines_id: Id of the measurement.
        made_from: What `transfergrid.planning.weighings.Weighing` holds of it.
        spec: The content of the cell's spec.json.
        results: The folder of all outputs.
        device: "cpu", "cuda" or "cuda:<n>".
        note: As in `compare_masks`.
        watcher: May stop the work.

    Raises:
        UserError: The cell is not trained, or a file is not what was written.
    """
    compared = compare_masks(made_from, spec, results, device, note, watcher)
    write_compared(weighings_directory(outlines_id, results), compared)


def compare_masks(
    made_from: Mapping[str, Any],
    spec: Mapping[str, Any],
    results: Path,
    device: str = "cpu",
    note: Mapping[str, Any] | None = None,
    watcher: Watcher | None = None,
) -> Compared:
    """Compare what selections mark on the test films with the true masks.

    Args:
        made_from: ``selections``; ``tolerances`` at which outlines are compared, None for no
            outlines; ``scored_at`` and ``spacing`` where the data set has them.
        spec: The content of the cell's spec.json.
        results: The folder of all outputs.
        device: "cpu", "cuda" or "cuda:<n>".
        note: Where the data set lies, see `transfergrid.planning.inputs.Dataset.location`; it is
            read again for ``scored_at: film``, and for ``spacing``.
        watcher: May stop the work.

    Raises:
        UserError: The cell is not trained, its files are not what was written, or the data set's
            masks are not those that were cached.
    """
    selections, tolerances = made_from["selections"], made_from["tolerances"]
    numbers = number_names(tolerances)
    cache, fold = cache_directory(spec["dataset"]["id"], results), fold_of(spec)
    films, card = open_split(cache, "test", fold), read_card(cache, fold)
    comparison = _Comparison.of(made_from, card.masks == "exclusive", note)
    cell = Trained.of(cell_directory(cell_name(spec), results))
    shape = len(films.image_id), len(card.tasks), len(numbers)
    rows, counts = {name: np.full(shape, np.nan) for name in selections}, dict[str, int]()
    if cell.checkpoints():
        counts = {name: len(own) for name, own in chosen_by(spec, cell, selections).items()}
        for part in marked_films(spec, results, selections, "test", device, None, watcher):
            for name, found in comparison.rows(part, films.image_id[part.rows]).items():
                rows[name][part.rows] = found
    unit = unit_of(tolerances is not None, comparison.spacing is not None)
    return Compared(
        image_id=films.image_id,
        rows=rows,
        checkpoints={name: counts.get(name, 0) for name in selections},
        numbers=numbers,
        unit=unit,
        scored_at=made_from.get("scored_at", "cache"),
    )
