"""Marks the chosen films of a study with the networks of its cells, and draws the outlines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from transfergrid.evaluation.marked import marked_films
from transfergrid.planning.paths import cell_directory
from transfergrid.planning.records import SPEC, read_spec
from transfergrid.reporting.pictures.drawn import data_uri, outlined
from transfergrid.reporting.pictures.file import Picture
from transfergrid.reporting.pictures.wanted import Wanted
from transfergrid.runtime.progress import progress


def with_pictures(wanted: Wanted, results: Path, device: str = "cpu") -> list[Picture]:
    """Return what is shown of a study, and mark what has to be marked for that.

    Args:
        wanted: The films.
        results: Root of all outputs.
        device: "cpu", "cuda" or "cuda:<n>".

    Raises:
        UserError: A file of a cell is not what was written.
    """
    due = sorted(wanted.due, key=lambda one: (one.network, one.selection))
    groups = [list(own) for _, own in groupby(due, key=lambda one: one.key[:2])]
    drawn = (_drawn(own, results, device) for own in groups)
    made = {
        picture.key: picture for own in progress(drawn, len(groups), "cells") for picture in own
    }
    return [made.get(picture.key, picture) for picture in wanted.shown]


def _drawn(films: Sequence[Picture], results: Path, device: str) -> list[Picture]:
    """Return films that one selection of a cell marks, with their pictures."""
    network, selection, _ = films[0].key
    spec = read_spec(cell_directory(network, results) / SPEC)
    rows = [film.row for film in films]
    uris: Iterator[str] = (
        data_uri(outlined(image, truth, marked))
        for part in marked_films(spec, results, [selection], "test", device, rows)
        for image, truth, marked in zip(
            part.images, part.truth, part.marks[selection].marked, strict=True
        )
    )
    return [replace(film, picture=uri) for film, uri in zip(films, uris, strict=True)]
