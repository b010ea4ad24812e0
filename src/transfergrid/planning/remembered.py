"""SHA-256 of large files, remembered from one parse of the workflow to the next.

Every job on a cluster parses the workflow again, and a weight file of 300 MB takes a good part of a
second to hash. What is remembered is valid for one state of a file: its size, inode, modification
time and change time. The last cannot be set back, so replacing a file by an older one that keeps
its old modification time is noticed as well.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from transfergrid.runtime.atomic import write_json
from transfergrid.runtime.hashing import sha256_file, sha256_text

MEMORY = Path(".snakemake") / "transfergrid" / "hashes"
"""One file per path, in the working directory; deleting it only costs time."""
LARGE = 2**20
"""Smaller files are hashed: that takes no longer than remembering."""
SETTLED_SECONDS = 2.0
"""The coarsest step of a file system's clock. A file that changed more recently may change again
and keep its time (git calls such a file racy), so its hash is not remembered."""


@dataclass(frozen=True)
class _State:
    size: int
    inode: int
    mtime_ns: int
    ctime_ns: int


def remembered_sha256(path: str | Path, memory: Path = MEMORY) -> str:
    """Return the SHA-256 of a file's bytes, reading a large one only if its state is new.

    Args:
        path: The file.
        memory: Where to remember; nothing is written if Snakemake has never run there.

    Returns:
        64 hexadecimal digits.
    """
    state = _state(path)
    if state.size < LARGE or state.ctime_ns / 1e9 > time.time() - SETTLED_SECONDS:
        return sha256_file(path)
    return _of_state(str(Path(path).absolute()), state, memory.absolute())


def _state(path: str | Path) -> _State:
    # A network file system answers os.stat from a cache that may be a minute old; it asks the
    # server when a file is opened.
    with open(path, "rb") as file:
        status = os.fstat(file.fileno())
    return _State(status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)


@cache
def _of_state(path: str, state: _State, memory: Path) -> str:
    place = memory / f"{sha256_text(path)[:16]}.json"
    key = {"path": path, **asdict(state)}
    known = _read(place)
    if known and key == {name: known.get(name) for name in key} and "sha256" in known:
        return str(known["sha256"])
    digest = sha256_file(path)
    if _state(path) == state and memory.parents[1].is_dir():
        _write(place, {**key, "sha256": digest})
    return digest


def _read(place: Path) -> dict[str, Any]:
    try:
        value = json.loads(place.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _write(place: Path, value: dict[str, Any]) -> None:
    with suppress(OSError):  # if the folder cannot be written, the file is hashed again next time
        write_json(place, value)
