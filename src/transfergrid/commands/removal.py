"""Sizes of files and folders, what killed writers left, and removing a thing whole."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Set
from pathlib import Path

from transfergrid.runtime.atomic import abandoned, aside_of, held_if_abandoned, lock_aside

LEFTOVER_SECONDS = 3600
"""What nothing has changed for this long, a killed writer left; asked where locks do not tell."""


def size_of(path: Path) -> int:
    """Return the size of a file, or of all files in a folder; links are not followed."""
    try:
        if path.is_symlink() or not path.is_dir():
            return path.lstat().st_size
    except OSError:
        return 0
    return sum(
        _size_of_file(os.path.join(root, name))
        for root, _, files in os.walk(path)
        for name in files
    )


def _size_of_file(path: str) -> int:
    try:
        return os.lstat(path).st_size
    except OSError:
        return 0


def leftovers(
    results: Path, gone: Set[Path] = frozenset(), in_locks: Set[str] = frozenset()
) -> Iterator[Path]:
    """Yield what killed writers left: temporary files and folders that nobody holds any more.

    Args:
        results: Root of all outputs.
        gone: What is removed anyway, and so not looked into.
        in_locks: Names that a run of Snakemake has locked.
    """
    old = time.time() - LEFTOVER_SECONDS
    used = [[name] for name in in_locks]
    for root, directories, files in os.walk(results):
        here = Path(root)
        directories[:] = sorted(d for d in directories if here / d not in gone)
        for name in sorted([*directories, *files]):
            path = here / name
            if not name.startswith(".tmp-") or path in gone:
                continue
            left = abandoned(path)
            # If locks do not tell: nothing changes it, and no Snakemake run makes such a thing.
            if left or (
                left is None and _changed(path) < old and name.split("-", 2)[2:] not in used
            ):
                yield path
        directories[:] = [d for d in directories if not d.startswith(".tmp-")]


def _changed(path: Path) -> float:
    inside = (os.path.join(root, name) for root, _, files in os.walk(path) for name in files)
    return max(map(_written, (str(path), *inside)))


def _written(path: str) -> float:
    try:
        return os.lstat(path).st_mtime
    except OSError:
        return time.time()  # it has just vanished, so somebody is at work


def remove_leftover(path: Path) -> bool:
    """Remove what a killed writer left, holding its lock; return False if a writer has it.

    What a writer has just made looks like that until it is locked. The writer then looks whether it
    is there still, and if it is, keeps it.
    """
    with held_if_abandoned(path) as nobodys:
        if nobodys is False:
            return False
        # None: it is as old as `leftovers` wants it.
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return True


def remove_path(path: Path) -> None:
    """Remove a file or a folder; a kill leaves it whole, or under a name that nothing reads.

    Links are removed themselves, never what they point to.
    """
    if not path.is_symlink() and not path.exists():
        return
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    descriptor, aside = lock_aside(path), aside_of(path)
    try:
        os.rename(path, aside)
        shutil.rmtree(aside)
    finally:
        os.close(descriptor)
