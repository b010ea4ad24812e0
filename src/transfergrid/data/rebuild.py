"""Make a cache from the note that a location stamp holds, once, whoever asks first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transfergrid.planning.inputs import check_dataset
from transfergrid.planning.notes import find_note
from transfergrid.planning.paths import cache_directory
from transfergrid.planning.unchanged import hold_prepare
from transfergrid.runtime.atomic import read_json
from transfergrid.runtime.locks import make_once


def rebuild_cache(note: Mapping[str, Any], results: Path, workers: int) -> None:
    """Build the cache that a location note describes.

    Raises:
        UserError: Label tables edited since planning, bad images, or images other than those that
            earlier cells were trained on; nothing is written then.
    """
    hold_prepare(note["declaration"]["kind"])
    check_dataset(note)
    # After that, for it to be what was compared; most jobs find their cache and import no decoders.
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
    """Build a cache of which a file is missing; several jobs that miss it at once build it once.

    Raises:
        UserError: No stamp says where the data lie.
    """
    directory = cache_directory(dataset_id, results)
    make_once(
        lambda: is_whole(directory),
        directory.with_name(f".{dataset_id}.lock"),
        lambda: rebuild_cache(find_note(dataset_id, results / "stamps"), results, workers),
    )


def is_whole(cache: Path) -> bool:
    """Tell whether every file of a cache is there, whatever it holds."""
    try:
        files = read_json(cache / "receipt.json")["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return all((cache / name).is_file() for name in files)
