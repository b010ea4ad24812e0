"""What lies in a folder of results that other jobs write to at the same time."""

from __future__ import annotations

from pathlib import Path


def written(folder: Path, pattern: str) -> list[Path]:
    """Return what a pattern names in a folder, sorted, without what is still being written.

    Writers name what they set aside with a dot (`runtime.atomic`), and `Path.glob`, unlike a
    shell, lists it: it may be half of a file, and be gone once it is opened.

    Args:
        folder: A folder; nothing is in one that is missing.
        pattern: As `Path.glob` takes it.
    """
    found = sorted(folder.glob(pattern))
    return [
        path
        for path in found
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
