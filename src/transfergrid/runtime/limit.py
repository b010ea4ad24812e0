"""A time limit on work whose length depends on what a user wrote."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from transfergrid.runtime.errors import UserError


@contextmanager
def time_limit(seconds: float, told: str) -> Iterator[None]:
    """End the block after a while; Python's regular expressions check for signals as they search.

    The limit works in the main thread, where programs run; in other threads there is none.

    Args:
        seconds: How long the block may take.
        told: What to say if it takes longer.

    Raises:
        UserError: It took longer.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(number: int, frame: object) -> None:
        raise UserError(told)

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
