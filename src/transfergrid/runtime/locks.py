"""Advisory locks that the kernel frees when their holder dies."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from transfergrid.runtime.errors import UserError

PAUSE = 0.2
"""Seconds between looks at a helper's lock."""
BEAT = 30.0
"""Seconds between signs of life while waiting for a helper."""
LOOKS = 3
"""Looks without a helper after which a lock is another's: one may end, and begin, between two."""

_NO_LOCKS = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK}
_POLL = 0.5


def _open(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except PermissionError:
        # Another user's lock file on a shared machine: locking needs no write permission.
        if not path.exists():
            raise
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


@contextmanager
def exclusive(
    path: str | Path, message: str | None = None, check: Callable[[], None] | None = None
) -> Iterator[None]:
    """Hold an exclusive `flock` on `path` for the duration of the block.

    Args:
        path: The lock file; created if missing and left in place (if it were removed, two holders
            could lock two files of the same name).
        message: With a message, a lock held by another process raises `UserError(message)` at
            once; without one, the call waits.
        check: Called now and then while it waits; may raise to end the wait.

    Raises:
        UserError: The lock is held elsewhere and `message` was given, or the file system of `path`
            has no locks.
    """
    with _trying(Path(path), not message, check) as held:
        if not held:
            raise UserError(message or "")
        yield


@contextmanager
def if_free(path: Path) -> Iterator[bool]:
    """Hold an exclusive `flock` on `path` unless another process does; yield whether it is held.

    Raises:
        UserError: The file system of `path` has no locks.
    """
    with _trying(path, False) as held:
        yield held


@contextmanager
def exclusive_after(
    path: Path, helper: Path, message: str, say: Callable[[float], None]
) -> Iterator[None]:
    """Hold an exclusive `flock` on `path`; wait for it only if its holder is a helper.

    A helper holds `helper` first and then `path`, and releases them in the other order.

    Args:
        path: The lock file.
        helper: The helpers' lock file, removed once the lock is held.
        message: What is said if another process than a helper holds the lock.
        say: Receives the seconds it has waited, at first and every `BEAT` seconds.

    Raises:
        UserError: Another process than a helper holds the lock, or the file system has no locks.
    """
    alone, began, beats = 0, time.monotonic(), 0
    while alone < LOOKS:
        with if_free(path) as held:
            if held:
                _remove_unused(helper)
                yield
                return
        waited = time.monotonic() - began
        if not _is_held(helper):
            alone += 1
        elif waited >= beats * BEAT:
            say(waited)
            beats += 1
        time.sleep(PAUSE)
    raise UserError(message)


def _is_held(path: Path) -> bool:
    if not path.exists():
        return False
    with if_free(path) as free:
        return not free


def _remove_unused(helper: Path) -> None:
    # One that holds it just now finds the other lock held, and removes it itself.
    if helper.exists():
        with if_free(helper) as unused:
            if unused:
                helper.unlink(missing_ok=True)


@contextmanager
def _trying(path: Path, wait: bool, check: Callable[[], None] | None = None) -> Iterator[bool]:
    """Yield whether an exclusive lock could be had; without `wait`, it may be held elsewhere."""
    descriptor = _open(path)
    try:
        try:
            held = _lock(descriptor, wait, check) and (wait or _has_name(descriptor, path))
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            raise UserError(
                f"the file system of {path.parent} has no file locks (flock); "
                "move the results to one that does, or have it mounted with them"
            ) from None
        try:
            yield held
        finally:
            if held:
                # Closing alone would leave the lock with any child forked inside the block.
                fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def _has_name(descriptor: int, path: Path) -> bool:
    """Tell whether a file was not removed between opening and locking; such a lock is nobody's."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


def _lock(descriptor: int, wait: bool, check: Callable[[], None] | None) -> bool:
    if wait and check is None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return True
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if not wait or check is None:
                return False
        check()
        time.sleep(_POLL)


def make_once(
    made: Path | Callable[[], bool],
    lock: Path,
    make: Callable[[], None],
    check: Callable[[], None] | None = None,
) -> None:
    """Call `make` unless `made` exists; of several processes that miss it at once, one calls it.

    Args:
        made: A file that exists once it is made, or a function that tells.
        lock: The lock file for which they wait.
        make: Makes it.
        check: Called now and then by those that wait; may raise to end the wait.
    """
    is_made = made.is_file if isinstance(made, Path) else made
    if is_made():
        return
    with exclusive(lock, check=check):
        if not is_made():
            make()
