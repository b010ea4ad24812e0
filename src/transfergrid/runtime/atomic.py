"""Files and folders that appear whole or not at all: write aside, fsync, rename."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from transfergrid.runtime.errors import UserError
from transfergrid.runtime.faults import failure


@contextmanager
def space_for(path: Path) -> Iterator[None]:
    """Turn an exception of the block that the disk or missing rights caused into one sentence.

    Raises:
        UserError: `path` cannot be written.
    """
    try:
        yield
    except Exception as error:
        named = getattr(error, "filename", None)
        # A name that the caller knows, not the one written aside.
        told = failure(error, path if named is None or ".tmp-" in str(named) else None)
        if told is None:
            raise
        raise UserError(told) from error


def _beside(path: Path) -> Path:
    # The end of the name is kept for writers that add or check a suffix; a name has 255 bytes.
    return path.with_name(f".tmp-{secrets.token_hex(8)}-{path.name[-200:]}")


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
    the block leaves a `.tmp-*` file, which nothing reads. The temporary name ends like `path`, for
    writers that add or check a suffix.

    Raises:
        UserError: The disk is full, or refuses to be written.
    """
    path = Path(path)
    temporary = _beside(path)
    try:
        with space_for(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            # Not tempfile: its files are private, and results are shared as the user's umask says.
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            yield temporary
            _sync(temporary)
            os.replace(temporary, path)
            _sync(path.parent)
    finally:
        with suppress(OSError):  # a name too long, a disk gone read-only
            temporary.unlink(missing_ok=True)


@contextmanager
def replacing_directory(path: str | Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; on success it is synced and replaces `path`.

    An older folder at `path` is moved aside before the rename, put back if the rename fails, and
    removed after it. A kill between the two renames leaves no folder at `path`, never half a one.

    Raises:
        UserError: The disk is full, or refuses to be written.
    """
    path = Path(path)
    temporary = _beside(path)
    try:
        with space_for(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.mkdir()
            yield temporary
            _sync_tree(temporary)
            _swap(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _swap(new: Path, path: Path) -> None:
    old = new.with_name(new.name + ".old")
    if path.is_dir():
        os.replace(path, old)
    try:
        os.replace(new, path)
    except OSError:
        if old.exists():
            os.replace(old, path)
        raise
    _sync(path.parent)
    shutil.rmtree(old, ignore_errors=True)


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
