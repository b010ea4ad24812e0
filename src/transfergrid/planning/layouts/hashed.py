"""Hashes of what decides a data set's labels, and what to say where a table of them is missing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import sha256_text
from transfergrid.runtime.regular import check_regular

Digest = Callable[[Path], str]


def of_files(root: Path, files: Iterable[Path], digest: Digest) -> dict[str, str]:
    """Return the SHA-256 of files by their path in the root."""
    found = {}
    for file in files:
        check_regular(file)
        found[Path(os.path.relpath(file, root)).as_posix()] = digest(file)
    return found


def existing(file: Path, mend: str) -> Path:
    """Return a file that has to be there; UserError ends in what to do about it."""
    if not file.is_file():
        raise UserError(f"{file} does not exist; {mend}.")
    return file


def of_names(names: Iterable[str]) -> dict[str, str]:
    """Return the SHA-256 of the paths of images, of a data set whose labels are in them."""
    return {"image names": sha256_text("\n".join(sorted(names)))}
