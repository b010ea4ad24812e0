"""How a rule's program ends: with one sentence if the user can fix the error."""

from __future__ import annotations

import atexit
import gc
import signal
import sys
from collections.abc import Callable

from transfergrid.runtime.errors import Stopped, UserError
from transfergrid.runtime.faults import failure

STOPPED = 75
"""Exit status of a job that was asked to stop and can be resumed (EX_TEMPFAIL in sysexits.h)."""


def collect_rarely() -> None:
    """Keep Python from looking for garbage among objects that live as long as the program.

    Libraries and large plans are hundreds of thousands of objects. Python would walk them after
    every 700 new ones, and again at the end: with torch and timm that takes half as long as
    importing them.
    """
    gc.set_threshold(50_000)
    atexit.register(gc.freeze)


def run_program(main: Callable[[], None]) -> None:
    """Run a command-line program.

    A `UserError` becomes one line on stderr and exit status 1, as do disk and permission errors;
    `Stopped` becomes exit status 75.
    """
    collect_rarely()
    try:
        main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except Stopped as stopped:
        print(f"stopped: {stopped}", file=sys.stderr)
        raise SystemExit(STOPPED) from None
    except Exception as error:
        told = failure(error)
        if told is None:
            raise
        print(f"error: {told}", file=sys.stderr)
        raise SystemExit(1) from None


def stop_on_signals() -> Callable[[], bool]:
    """Make SIGTERM (preemption, time limit, scancel) and Ctrl-C ask for an end, not force it.

    Returns:
        A function that tells whether one of them has arrived. A second Ctrl-C interrupts as usual.
    """
    came: list[int] = []

    def handle(number: int, frame: object) -> None:
        came.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)
    return lambda: bool(came)
