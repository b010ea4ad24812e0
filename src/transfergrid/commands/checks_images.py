"""Whether the images are still those from which a cache and its cells were made."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from transfergrid.commands.remarks import Remark
from transfergrid.planning.inputs import Dataset
from transfergrid.planning.paths import cache_directory, origin_file
from transfergrid.runtime.atomic import read_json
from transfergrid.runtime.errors import listed
from transfergrid.runtime.hashing import sha256_file
from transfergrid.runtime.progress import progress

MOST_HASHED = 200
"""How many files that differ only in their time are hashed without being asked."""
_AT_ONCE = 256
_WORKERS = 8
_SHOWN = 5

_T = TypeVar("_T")


def check_origin(dataset: Dataset, results: Path, verify: bool) -> Iterator[Remark]:
    """Compare a data set's files with the record of what its cache was made from.

    Sizes and times are compared; files whose time differs are hashed if there are few of them.

    Args:
        dataset: The data set.
        results: The folder of results.
        verify: Whether to hash every file.
    """
    record = origin_file(dataset.id, results)
    cache = cache_directory(dataset.id, results)
    if not record.is_file() and not (cache / "card.json").is_file():
        return
    from transfergrid.data.admission import cell_contents, read_origin, suspects

    what = f"data {dataset.name}"
    yield from _check_cells(what, cache, dataset.id, results)
    if not record.is_file() or dataset.root is None:
        return
    origin = read_origin(record)
    if origin is None:
        told = f"the record {record} cannot be read completely."
        yield Remark("warning", what, told, "remove it; the next preparation rewrites it")
        return
    if origin.base is None:
        return
    folder = Path(os.path.normpath(dataset.root / origin.base))
    paths = [folder / name for name in origin.names]
    states = _each(_state, paths, f"comparing {dataset.name}")
    changed, touched = suspects(origin, [s[0] for s in states], [s[1] for s in states])
    doubtful = range(len(paths)) if verify else touched if len(touched) <= MOST_HASHED else []
    rows = sorted(set(doubtful) - set(changed))
    hashes = _each(_digest, [paths[row] for row in rows], f"hashing {dataset.name}")
    pairs = zip(rows, hashes, strict=True)
    changed = sorted([*changed, *(row for row, found in pairs if found != origin.digests[row])])
    if changed:
        names = listed([origin.names[row] for row in changed], _SHOWN)
        told = f"{len(changed)} of {len(paths)} images are not what they were when read: {names}"
        cached = (cache / "card.json").is_file()
        yield _changed(what, told, cached, bool(cell_contents(dataset.id, results)))
    elif touched and not rows:
        told = f"{len(touched)} images were written since they were read; their sizes are the same."
        mend = "copying does that too; transfergrid doctor --verify reads them all to find out"
        yield Remark("warning", what, told, mend)
    else:
        how = "SHA-256" if verify else "size"
        yield Remark("ok", what, f"{len(paths)} images have the {how} that they had when read.")


def _check_cells(what: str, cache: Path, dataset_id: str, results: Path) -> Iterator[Remark]:
    """Compare the images on which cells were trained with those for the next cells."""
    from transfergrid.data.admission import cells_of_other_content

    if not (cache / "card.json").is_file():
        return
    content = read_json(cache / "card.json").get("content_sha256", "")
    others = cells_of_other_content(dataset_id, content, results)
    if others:
        told = f"{len(others)} cell(s) were trained on pixels other than those in {cache}"
        mend = "remove those cells; or correct the images and remove the cache"
        yield Remark("error", what, f"{told}: {listed(others, 2)}.", mend)


def _changed(what: str, told: str, cached: bool, trained: bool) -> Remark:
    if cached:
        told += "; the prepared images are used as they are."
        mend = "restore the files, or give the changed data another name in the study"
        return Remark("warning", what, told, mend)
    if trained:
        told += "; cells were trained on the old ones, so the new ones will be refused."
        mend = "restore the files, or give the changed data another name in the study"
        return Remark("error", what, told, mend)
    return Remark("ok", what, f"{told}; no cell was trained on the old ones.")


def _each(look: Callable[[Path], _T], paths: Sequence[Path], label: str) -> list[_T]:
    """Look at files several at a time, with a line of progress."""
    blocks = [paths[start : start + _AT_ONCE] for start in range(0, len(paths), _AT_ONCE)]
    with ThreadPoolExecutor(_WORKERS) as executor:
        found = executor.map(lambda block: [look(path) for path in block], blocks)
        return [one for block in progress(found, len(paths), label, size=len) for one in block]


def _state(path: Path) -> tuple[int, int]:
    """Return a file's bytes, -1 if it is gone, and its time."""
    try:
        status = os.stat(path)
    except OSError:
        return -1, 0
    return status.st_size, status.st_mtime_ns


def _digest(path: Path) -> bytes:
    try:
        return bytes.fromhex(sha256_file(path))
    except OSError:
        return b""
