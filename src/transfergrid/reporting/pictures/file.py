"""The file of a study's films with outlines."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from transfergrid.reporting.tables.stage_files import read_made, seal_stage
from transfergrid.runtime.atomic import write_json

NAME = "pictures.json"
"""Its name in the study's folder."""


@dataclass(frozen=True)
class Picture:
    """A test film with outlines.

    Attributes:
        cell: The cell, or the run over folds, that marked it.
        place: "best", "median" or "worst" of its films.
        film: The film's id.
        value: Its Dice.
        picture: The picture as a data URI; empty where the cell's weights were gone.
    """

    cell: str
    place: str
    film: str
    value: float
    picture: str


def write_pictures(folder: Path, pictures: Iterable[Picture]) -> None:
    """Write a study's pictures into its folder, and the stage's receipt."""
    write_json(folder / NAME, {"pictures": [asdict(picture) for picture in pictures]})
    seal_stage(folder, "pictures", [NAME])


def read_pictures(folder: Path) -> tuple[Picture, ...]:
    """Return a study's pictures; none where no stage has made any.

    Raises:
        UserError: The file is not what was written.
    """
    if not (folder / NAME).is_file():
        return ()
    found = json.loads(read_made(folder, NAME))["pictures"]
    return tuple(Picture(**one) for one in found)
