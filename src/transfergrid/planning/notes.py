"""Notes that say where a data set or a weight file is on this machine. Recorded, never hashed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transfergrid.planning.neighbours import NOTES
from transfergrid.planning.stamps import LOCATION, read_named, stamps_in
from transfergrid.runtime.errors import UserError


def find_note(owner: str, folder: Path) -> dict[str, Any]:
    """Return the location note of a data set or of weights by id.

    Args:
        owner: The id.
        folder: Where notes are: results/stamps, or the folder of what a Snakemake run planned.

    Raises:
        UserError: There is none, or it is damaged.
    """
    return read_named(note_path(owner, folder))


def note_path(owner: str, folder: Path) -> Path:
    """Return the path of the location note of a data set or of weights.

    Raises:
        UserError: There is none.
    """
    found = note_there(owner, folder)
    if found is None:
        raise UserError(
            f"{owner} is missing and no note in {folder} says where it comes from; run "
            "snakemake with the study that names it."
        )
    return found


def known_note(owner: str, results: Path) -> dict[str, Any]:
    """Return a location note, as a run planned it or as an earlier one left it.

    Args:
        owner: The id of a data set or of weights.
        results: Root of all outputs.

    Raises:
        UserError: There is none, or it is damaged.
    """
    # A job may be ahead of the one that writes the note into the results.
    planned = note_there(owner, NOTES)
    return read_named(planned) if planned else find_note(owner, results / "stamps")


def note_there(owner: str, folder: Path) -> Path | None:
    """Return the path of a location note, or None where the folder has none."""
    notes = [
        path for name, path in stamps_in(folder) if (name.owner, name.stage) == (owner, LOCATION)
    ]
    return notes[-1] if notes else None
