"""Data sets whose files' names say which films they are: finding these, and what is hashed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from transfergrid.planning.layouts.hashed import Digest, of_files, of_names
from transfergrid.planning.layouts.listed import list_files
from transfergrid.runtime.errors import UserError


def folder_of(root: Path, others: Sequence[str], inner: str, what: str) -> Path:
    """Return the folder that holds `inner`: `root`, or one of `others` in it.

    Args:
        root: The data set's root.
        others: Folders that a download unpacks to, the usual one first.
        inner: The folder that is looked for.
        what: What was unpacked, for the message.

    Raises:
        UserError: None holds it.
    """
    for folder in (root, *(root / name for name in others)):
        if (folder / inner).is_dir():
            return folder
    raise UserError(
        f"{root} has no folder {inner}, nor does {others[0]} in it; as the root, name the folder "
        f"into which {what} was unpacked."
    )


def pngs(folder: Path) -> list[str]:
    """Return the names of a folder's PNGs, sorted; hidden files, and others, are left out."""
    names = sorted(os.listdir(folder)) if folder.is_dir() else []
    return [n for n in names if not n.startswith(".") and n.lower().endswith(".png")]


def labelled_films(
    folder: Path, pattern: re.Pattern[str], what: str, example: str
) -> dict[str, tuple[str, bool]]:
    """Return a folder's films by name, sorted: their number, and whether their label is 1.

    Args:
        folder: The films' folder.
        pattern: Of a name, with the groups number and label.
        what: Whose films they are, for the message.
        example: A name, for the message.

    Raises:
        UserError: There is none, a PNG is named otherwise, or a number stands for two films.
    """
    found: dict[str, tuple[str, bool]] = {}
    film_of: dict[str, str] = {}
    for name in pngs(folder):
        parts = pattern.fullmatch(name)
        if parts is None:
            raise UserError(
                f"{folder / name} is not named as films of {what} are, such as {example}; rename "
                "or remove it."
            )
        number, label = parts.groups()
        if film_of.setdefault(number, name) != name:
            raise UserError(
                f"{folder} has {film_of[number]} and {name}, which are one film with two labels; "
                "remove the wrong one."
            )
        found[name] = (number, label == "1")
    if not found:
        raise UserError(f"{folder} has no film; restore it from the download.")
    return found


def of_named(
    films: Iterable[str], root: Path, settings: Mapping[str, Any], digest: Digest
) -> dict[str, str]:
    """Hash the films' names, and the lists by which a study divides them, if it does."""
    lists = list_files(root, settings.get("lists") or {}).values()
    return {**of_names(films), **of_files(root, lists, digest)}
