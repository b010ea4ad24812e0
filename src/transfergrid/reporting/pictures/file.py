"""The file of a study's films with outlines."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from transfergrid.reporting.tables.stage_files import read_made, seal_stage
from transfergrid.runtime.atomic import write_json
from transfergrid.runtime.errors import UserError

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
        picture: The picture as a data URI; empty where there is none.
        network: The cell whose networks marked it: of a run, that of the film's fold.
        selection: The selection of its checkpoints.
        row: Which film of the cell's test split it is.
        code: Fingerprint of the code that made the picture.
    """

    cell: str
    place: str
    film: str
    value: float
    picture: str
    network: str = ""
    selection: str = ""
    row: int = 0
    code: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What decides the picture, beside the code: a cell's name stands for its weights."""
        return self.network, self.selection, self.film


def write_pictures(
    folder: Path, pictures: Iterable[Picture], earlier: Iterable[Picture] = ()
) -> None:
    """Write a study's pictures into its folder, and the stage's receipt.

    Args:
        folder: The study's folder.
        pictures: Those that are shown.
        earlier: Those that were shown and may be again.
    """
    parts = {"pictures": pictures, "earlier": earlier}
    write_json(folder / NAME, {name: [asdict(one) for one in own] for name, own in parts.items()})
    seal_stage(folder, "pictures", [NAME])


def read_pictures(folder: Path) -> tuple[Picture, ...]:
    """Return a study's pictures that are shown; none where no stage has made any.

    Raises:
        UserError: The file is not what was written.
    """
    return _read(folder, ("pictures",))


def read_all(folder: Path) -> tuple[Picture, ...]:
    """Return every picture that was made and kept, those that are shown last.

    Raises:
        UserError: The file is not what was written.
    """
    return _read(folder, ("earlier", "pictures"))


def _read(folder: Path, parts: Iterable[str]) -> tuple[Picture, ...]:
    if not (folder / NAME).is_file():
        return ()
    found = json.loads(read_made(folder, NAME))
    try:
        return tuple(Picture(**one) for part in parts for one in found[part])
    except (KeyError, TypeError):
        raise UserError(
            f"{folder / NAME} has pictures in another form, so another version wrote it; run "
            "snakemake, which makes them again."
        ) from None
