"""Work on many cells, in processes of its own where there are enough of them."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

from transfergrid.runtime.imports import for_workers

T = TypeVar("T")
MANY = 200  # fewer cells than this are done before a pool of processes has started


def entries_of(study: Mapping[str, Any], role: str) -> list[Mapping[str, Any]]:
    """Return the study's cells of a role: ``target`` or ``source``."""
    return [entry for entry in study["cells"] if entry["role"] == role]


def processes(workers: int, cells: Sequence[Any]) -> int:
    """Return how many processes are worth starting for so many cells."""
    return workers if len(cells) >= MANY else 1


def map_many(function: Any, work: Sequence[T], workers: int) -> Iterator[Any]:
    """Yield a function's values in order; with several workers, from processes of their own."""
    if workers <= 1:
        yield from map(function, work)
        return
    # A fork would copy the locks of torch's and Arrow's threads in whatever state they are.
    context = multiprocessing.get_context("spawn")
    # They import this process's code, not what is on the disk when they start.
    with (
        for_workers() as (initializer, arguments),
        ProcessPoolExecutor(min(workers, len(work)), context, initializer, arguments) as pool,
    ):
        yield from pool.map(function, work, chunksize=4)
