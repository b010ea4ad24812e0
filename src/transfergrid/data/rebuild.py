"""Make a cache from the note in a location stamp, once, for whichever job asks first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transfergrid.planning.notes import known_note
from transfergrid.planning.paths import cache_directory
from transfergrid.planning.records import is_whole
from transfergrid.planning.unchanged import hold_prepare
from transfergrid.runtime.locks import make_once


def rebuild_cache(note: Mapping[str, Any], results: Path, workers: int) -> None:
    """Build the cache that a location note describes.

    Raises:
        UserError: Label tables were edited since planning, or images are bad, or differ from those
            on which earlier cells were trained; then nothing is written.
    """
    hold_prepare(note["declaration"])
    # Imported only now, so that it is the code that was compared, and because most jobs find their
    # cache and need neither decoders nor what planning reads studies with.
    from transfergrid.planning.inputs import check_dataset

    check_dataset(note)
    from transfergrid.data.admission import admit
    from transfergrid.data.cache import build_cache

    root = Path(note["root"]) if note["root"] else None
    build_cache(
        dict(note["declaration"]),
        root,
        cache_directory(note["id"], results),
        workers,
        lambda origin: admit(note["id"], origin, results),
    )


def ensure_cache(dataset_id: str, results: Path, workers: int) -> None:
    """Build a cache if a file of it is missing; of several jobs that need it at once, one does it.

    Raises:
        UserError: No note says where the data are.
    """
    directory = cache_directory(dataset_id, results)
    make_once(
        lambda: is_whole(directory),
        directory.with_name(f".{dataset_id}.lock"),
        lambda: rebuild_cache(known_note(dataset_id, results), results, workers),
    )
