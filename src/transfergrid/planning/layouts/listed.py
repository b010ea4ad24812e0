"""Lists of films, a file for each part, that divide a data set as some publication did."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from transfergrid.planning.layouts.hashed import existing
from transfergrid.runtime.errors import UserError


def list_files(root: Path, lists: Mapping[str, str]) -> dict[str, Path]:
    """Return the files that a study names as the lists of a data set's parts.

    Args:
        root: Folder that holds them.
        lists: Paths in it by part: train, valid and test.

    Raises:
        UserError: A file is missing, or not in the root.
    """
    files = {}
    for part, name in lists.items():
        if not (root / name).resolve().is_relative_to(root.resolve()):
            raise UserError(
                f"lists.{part} is {name}, which is not in the data set's root {root}; put the list "
                "there."
            )
        files[part] = existing(root / name, f"put it there, or correct lists.{part}")
    return files


def listed_parts(files: Mapping[str, Path]) -> dict[str, str]:
    """Return the part of each film that is in one of several lists.

    A line begins with the film's name, or with a path that ends in it. What follows after a blank
    or a comma, such as labels, is not read.

    Args:
        files: The lists by part.

    Raises:
        UserError: A list names no film, or a film is in two lists.
    """
    part_of: dict[str, str] = {}
    for part, path in files.items():
        lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
        words = [line.replace(",", " ").split() for line in lines]
        names = [PurePosixPath(found[0]).name for found in words if found]
        if not names:
            raise UserError(f"{path} names no film; write the name of one in each line.")
        for name in names:
            if part_of.setdefault(name, part) != part:
                raise UserError(
                    f"{path} lists the film {name}, which is in {files[part_of[name]].name} too; "
                    "restore both lists."
                )
    return part_of


def hashes_of_lists(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the SHA-256 of the lists that a resolved data set names, by part; empty if none.

    Args:
        settings: Its settings, with the hashes of its ``tables``.
    """
    lists = settings.get("lists") or {}
    return {part: settings["tables"][os.path.normpath(name)] for part, name in lists.items()}
