"""A study's cells in parts, each of which has its ensembles made by one job."""

from __future__ import annotations

from collections.abc import Iterable

WHOLE = "all"
"""The one part of a study that is not cut."""
LARGEST = 64
"""Cells up to which a study is not cut; a larger one is cut by the first digit of cells' hashes."""
SPLITS = ("valid", "test")
"""The splits of which there are ensembles, validation first."""
PATTERN = rf"{WHOLE}|[0-9a-f]"
"""A regular expression for the names of parts."""


def shards(cells: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return names of cells by part, in their order; parts without a cell are left out."""
    names = tuple(cells)
    if len(names) <= LARGEST:
        return {WHOLE: names} if names else {}
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(name.rpartition("-")[2][0], []).append(name)
    return {shard: tuple(found[shard]) for shard in sorted(found)}
