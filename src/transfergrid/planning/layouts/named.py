"""What is hashed of a data set whose files' names say which films they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from transfergrid.planning.layouts.hashed import Digest, of_files, of_names
from transfergrid.planning.layouts.listed import list_files


def of_named(
    films: Iterable[str], root: Path, settings: Mapping[str, Any], digest: Digest
) -> dict[str, str]:
    """Hash the films' names, and the lists by which a study divides them, if it does."""
    lists = list_files(root, settings.get("lists") or {}).values()
    return {**of_names(films), **of_files(root, lists, digest)}
