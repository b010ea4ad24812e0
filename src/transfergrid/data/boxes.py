"""The boxes that radiologists drew on ChestX-ray14's test films (``BBox_List_2017.csv``).

Read in the file: corners and sides are in pixels of the 1024 x 1024 films, whatever the size of the
files at hand; the third heading, ``Bbox [x,y,w,h]``, is split at its commas; three columns at the
end are empty, with or without a heading; and infiltration is called Infiltrate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from transfergrid.data.images import resize
from transfergrid.data.tablefile import Table, read_table
from transfergrid.runtime.errors import UserError, listed, suggest

FILM_PX = 1024
"""Side of the films in whose pixels the boxes are given."""

BOXED = {
    "Atelectasis": "atelectasis",
    "Cardiomegaly": "cardiomegaly",
    "Effusion": "effusion",
    "Infiltrate": "infiltration",
    "Infiltration": "infiltration",
    "Mass": "mass",
    "Nodule": "nodule",
    "Pneumonia": "pneumonia",
    "Pneumothorax": "pneumothorax",
}
"""The task of each label that has boxes; the file writes Infiltrate, the labels Infiltration."""

_SIDES = ("Bbox [x", "y", "w", "h]")

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Boxes:
    """Boxes by film and task.

    Attributes:
        declaration: The data set's declaration, as in a cell's spec.json.
        path: The table of boxes.
    """

    declaration: Mapping[str, Any]
    path: Path

    def find(self, image_id: str, task: str) -> npt.NDArray[np.bool_] | None:
        """Return where a finding was boxed, in the form of the cache's images.

        Args:
            image_id: A film's name: ``00008365_000.png``.
            task: A task's identifier.

        Returns:
            (px, px), the boxes of that finding together; None if it has none.

        Raises:
            UserError: The table has a row that is no box.
        """
        boxes = self._boxes.get((image_id, task))
        if not boxes:
            return None
        drawn = np.zeros((FILM_PX, FILM_PX), dtype=np.uint8)
        centres = np.arange(FILM_PX) + 0.5
        for x, y, width, height in boxes:
            across = (centres >= x) & (centres < x + width)
            down = (centres >= y) & (centres < y + height)
            drawn[np.ix_(down, across)] = 255
        # The films are square, so every rule of resizing does the same.
        px, rule = int(self.declaration["image_px"]), str(self.declaration["resize"])
        mask = resize(drawn, px, rule, "grey") > 127
        return mask if mask.any() else None

    def check(self, image_ids: Iterable[str]) -> None:
        """Check that the table belongs to these films.

        Raises:
            UserError: It has boxes for none of the images.
        """
        names = {str(image_id) for image_id in image_ids}
        if not names & {image for image, _ in self._boxes}:
            raise UserError(
                f"{self.path} has a box for none of the test films of {self.declaration['id']} "
                f"(such as {min(names)}); give the table of their boxes, or leave regions out."
            )

    @cached_property
    def _boxes(self) -> dict[tuple[str, str], list[Box]]:
        table = read_table(self.path)
        findings = table.text("Finding Label")
        sides = [_numbers(table, name) for name in _SIDES]
        boxes: dict[tuple[str, str], list[Box]] = {}
        for row, image in enumerate(table.text("Image Index")):
            finding = findings[row]
            if finding not in BOXED:
                raise UserError(
                    f"{self.path} has a box of '{finding}'{suggest(finding, BOXED)} in row "
                    f"{row + 1}; allowed are {listed(BOXED)}."
                )
            x, y, width, height = (float(side[row]) for side in sides)
            inside = min(x + width, y + height) > 0 and max(x, y) < FILM_PX
            if width <= 0 or height <= 0 or not inside:
                raise UserError(
                    f"{self.path} has a box of {width:g} x {height:g} pixels at ({x:g}, {y:g}) in "
                    f"row {row + 1}, nothing of which is in a film of {FILM_PX} x {FILM_PX}; "
                    "download the table again."
                )
            boxes.setdefault((image, BOXED[finding]), []).append((x, y, width, height))
        return boxes


def _numbers(table: Table, name: str) -> list[float]:
    cells, found = table.text(name), []
    for row, cell in enumerate(cells):
        try:
            found.append(float(cell))
        except ValueError:
            found.append(float("nan"))
        if not np.isfinite(found[-1]):
            raise UserError(
                f"{table.path} has '{cell}' in column '{name}' of row {row + 1}, which is no "
                "number of pixels; download the table again."
            )
    return found
