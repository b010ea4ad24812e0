"""Files and folders that appear whole or not at all: write aside, fsync, rename.

A writer locks (`flock`) what it writes aside. If it is killed, the file stays behind without a
lock: the next writer of the same path removes it, and so does ``transfergrid prune``.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from transfergrid.runtime.errors import UserError
from transfergrid.runtime.faults import failure

_NAME = 200
"""How many characters of a path's name are kept in the name of the file written aside."""
_OLD = ".old"
_ASIDE = re.compile(r"\.tmp-[0-9a-f]{16}-(.*)", re.DOTALL)


@contextmanager
def space_for(path: Path) -> Iterator[None]:
    """Turn an exception caused by the disk or by missing rights into one sentence.

    Raises:
        UserError: `path` cannot be written.
    """
    try:
        yield
    except Exception as error:
        named = getattr(error, "filename", None)
        # Name the path that the caller knows, not the one written aside.
        told = failure(error, path if named is None or ".tmp-" in str(named) else None)
        if told is None:
            raise
        raise UserError(told) from error


def aside_of(path: Path) -> Path:
    """Return a new name beside `path`, for writing or moving something aside."""
    # The end is kept for writers that add or check a suffix; names are limited to 255 bytes.
    return path.with_name(f".tmp-{secrets.token_hex(8)}-{path.name[-_NAME:]}")


def abandoned(path: Path) -> bool | None:
    """Tell whether the writer of a file or folder set aside is gone.

    Args:
        path: A file or folder.

    Returns:
        None if that cannot be told: the path is gone, this module did not make it, or the file
        system has no locks.
    """
    with held_if_abandoned(path) as found:
        return found


@contextmanager
def held_if_abandoned(path: Path) -> Iterator[bool | None]:
    """Yield what `abandoned` returns, and keep the lock meanwhile if nobody else has it.

    Whoever removes something holds it: a writer that has just made it, and is about to lock it,
    then finds that it is gone.
    """
    if not _ASIDE.fullmatch(path.name):
        yield None
        return
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        yield None
        return
    try:
        yield _locked(descriptor)
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool | None:
    """Lock a file unless somebody else has; None where files cannot be locked."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def lock_aside(path: Path) -> int:
    """Lock a file or folder set aside, or about to be; closing the descriptor releases it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    with suppress(OSError):  # without locks, prune goes by age
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def _sweep(path: Path) -> None:
    """Remove what killed writers of `path` left beside it."""
    ending = path.name[-_NAME:]
    try:
        names = os.listdir(path.parent)
    except OSError:
        return
    for name in names:
        found = _ASIDE.fullmatch(name)
        if found and found[1] in (ending, ending + _OLD):
            left = path.with_name(name)
            with held_if_abandoned(left) as nobodys:
                if nobodys:
                    remove_aside(left)


def remove_aside(path: Path) -> None:
    """Remove a file or folder that was written aside, as far as possible."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)


@contextmanager
def _aside(path: Path, make: Callable[[Path], None]) -> Iterator[Path]:
    """Yield something new beside `path`, locked; remove it after the block if it is still there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    temporary, descriptor = _make_locked(path, make)
    try:
        yield temporary
    finally:
        remove_aside(temporary)
        os.close(descriptor)


def _make_locked(path: Path, make: Callable[[Path], None]) -> tuple[Path, int]:
    while True:
        temporary = aside_of(path)
        make(temporary)
        with suppress(FileNotFoundError):
            descriptor = lock_aside(temporary)
            if temporary.exists():
                return temporary, descriptor
            os.close(descriptor)
        # Another process found it before it was locked, and removed it.


def _make_file(path: Path) -> None:
    # Not tempfile: its files are private, whereas results follow the user's umask.
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_tree(folder: Path) -> None:
    for root, _, files in os.walk(folder):
        for name in files:
            _sync(Path(root, name))
        _sync(Path(root))


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is synced to disk and renamed to `path`.

    On an exception the temporary file is removed and `path` stays as it was; a process killed in
    the block leaves a `.tmp-*` file, which nothing reads and the next writer of `path` removes. The
    temporary name ends like `path`, for writers that add or check a suffix.

    Raises:
        UserError: The disk is full or cannot be written.
    """
    path = Path(path)
    with space_for(path), _aside(path, _make_file) as temporary:
        yield temporary
        _sync(temporary)
        os.replace(temporary, path)
        _sync(path.parent)


@contextmanager
def replacing_directory(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; on success it is synced and replaces `path`.

    An older folder at `path` is moved aside before the rename, put back if the rename fails, and
    removed after it. A kill between the two renames leaves no folder at `path`, never half of one.

    Raises:
        UserError: The disk is full or cannot be written.
    """
    path = Path(path)
    with space_for(path), _aside(path, Path.mkdir) as temporary:
        yield temporary
        _sync_tree(temporary)
        _swap(temporary, path)


@contextmanager
def scratch_directory(path: str | Path) -> Iterator[Path]:
    """Yield an empty folder beside `path` that is removed after the block.

    If the process is killed in the block, the next writer of `path` removes the folder.

    Raises:
        UserError: The disk is full or cannot be written.
    """
    path = Path(path)
    with space_for(path), _aside(path, Path.mkdir) as folder:
        yield folder


def _swap(new: Path, path: Path) -> None:
    old = new.with_name(new.name + _OLD)
    descriptor = lock_aside(path) if path.is_dir() else None
    try:
        if descriptor is not None:
            os.replace(path, old)
        try:
            os.replace(new, path)
        except OSError:
            if descriptor is not None:
                os.replace(old, path)
            raise
        _sync(path.parent)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        if descriptor is not None:
            os.close(descriptor)


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write `data` to `path` atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 `text` to `path` atomically."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: str | Path, value: Any) -> None:
    """Write indented JSON with sorted keys; NaN and infinity are refused (ValueError)."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file."""
    return json.loads(Path(path).read_text(encoding="utf-8"))
