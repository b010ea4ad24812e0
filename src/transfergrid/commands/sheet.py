"""A sheet of films of each class, to see what a network will see."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from transfergrid.data.images import resize

if TYPE_CHECKING:
    from transfergrid.data.manifest import Manifest

_MOST_ROWS = 14
_PX = 128


def draw_sheet(manifest: Manifest, films: int, path: Path) -> int:
    """Draw some films of each class, spread over the data set; no name of any is on it.

    Args:
        manifest: The data set.
        films: How many of each.
        path: The PNG file.

    Returns:
        How many classes found no room on it.

    Raises:
        UserError: A film cannot be read.
    """
    classes = list(_classes(manifest))
    rows = classes[:_MOST_ROWS]
    figure = Figure(figsize=(1.15 * films + 1.6, 1.2 * len(rows)))
    axes = figure.subplots(len(rows), films, squeeze=False)
    for row, (name, places) in zip(axes, rows, strict=True):
        chosen = np.unique(np.linspace(0, len(places) - 1, films).round().astype(int))
        for place, ax in enumerate(row):
            ax.set_axis_off()
            if place < len(chosen) and len(places):
                film = manifest.images.read(int(places[chosen[place]]))
                film = resize(film, _PX, "pad", "grey" if film.ndim == 2 else "rgb")
                ax.imshow(film, cmap="gray", vmin=0, vmax=255)
        told = f"{name}\n{len(places)} images"
        row[0].text(-0.08, 0.5, told, ha="right", va="center", transform=row[0].transAxes)
    figure.savefig(path, format="png", dpi=110, bbox_inches="tight")
    return len(classes) - len(rows)


def _classes(manifest: Manifest) -> Iterator[tuple[str, npt.NDArray[np.intp]]]:
    """Yield each task with the places of the images that have it, and those that have none."""
    labels = manifest.table[list(manifest.tasks)].to_numpy(dtype=np.float32)
    if np.isnan(labels).all():
        yield "films", np.arange(len(labels))
        return
    for task, column in zip(manifest.tasks, labels.T, strict=True):
        yield task, np.flatnonzero(column == 1)
    none = np.flatnonzero((labels == 0).all(axis=1))
    if len(none):
        yield "none of these", none
