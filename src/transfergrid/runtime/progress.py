"""A progress line on stderr for whatever takes longer than a few seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TextIO, TypeVar

T = TypeVar("T")


def progress(
    items: Iterable[T],
    total: int,
    label: str,
    every: float = 5.0,
    stream: TextIO | None = None,
    size: Callable[[T], int] = lambda item: 1,
) -> Iterator[T]:
    """Yield `items`, writing ``label 120/2000 (6%), 24/s, 78 s left`` about every `every` seconds.

    On a terminal the line is rewritten in place; a log file gets one line per report. Work that
    ends before the first report prints nothing. If the loop is left early, the line ends with the
    number of items finished. `size` is what an item counts for.
    """
    stream = stream or sys.stderr
    rewrite = stream.isatty()
    start = last = time.monotonic()
    reported = False
    done = 0
    try:
        for item in items:
            now = time.monotonic()
            if done and now - last >= (0.5 if rewrite and reported else every):
                line = f"{label} {done}/{total} {_pace(done, total, now - start)}"
                stream.write(f"\r{line}\x1b[K" if rewrite else line + "\n")
                stream.flush()
                last, reported = now, True
            yield item
            done += size(item)
    finally:
        if reported:
            line = f"{label} {done}/{total} in {time.monotonic() - start:.0f} s"
            stream.write((f"\r{line}\x1b[K" if rewrite else line) + "\n")
            stream.flush()


def _pace(done: int, total: int, seconds: float) -> str:
    rate = done / max(seconds, 1e-9)
    speed = f"{rate:.0f}" if rate >= 100 else f"{rate:.3g}"
    left = max(total - done, 0) / rate
    return f"({done / max(total, done):.0%}), {speed}/s, {left:.0f} s left"
