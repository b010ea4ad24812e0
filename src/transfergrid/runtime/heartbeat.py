"""A sign of life in the log of work that cannot tell how far it is."""

from __future__ import annotations

import os
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO


@contextmanager
def heartbeat(
    label: str,
    every: float = 10.0,
    stream: TextIO | None = None,
    tell: Callable[[str], None] | None = None,
) -> Iterator[None]:
    """Write ``<label>: 20 s so far`` whenever the block has been silent for `every` seconds.

    Silence means that the log, a regular file, did not grow; libraries and child processes write
    to it too. On any other stream every beat is written. Work that ends before the first beat
    prints nothing.

    Args:
        label: What is being done.
        every: Seconds between beats.
        stream: Where to; standard error by default.
        tell: Receives every beat instead of the stream.
    """
    stream = stream or sys.stderr
    done = threading.Event()
    beats = threading.Thread(target=_beat, args=(label, every, stream, tell, done), daemon=True)
    beats.start()
    try:
        yield
    finally:
        done.set()
        beats.join()


def _beat(
    label: str,
    every: float,
    stream: TextIO,
    tell: Callable[[str], None] | None,
    done: threading.Event,
) -> None:
    start, seen = time.monotonic(), _length(stream)
    while not done.wait(every):
        line = f"{label}: {time.monotonic() - start:.0f} s so far"
        if tell is not None:
            tell(line)
        elif seen is None or _length(stream) == seen:
            stream.write(line + "\n")
            stream.flush()
        seen = _length(stream)


def _length(stream: TextIO) -> int | None:
    """Return a log's length in bytes, or None if the stream is not a regular file."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None
