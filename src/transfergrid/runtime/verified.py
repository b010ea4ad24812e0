"""Compare bytes with the SHA-256 of what was written, while they are already being used."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import sha256_bytes

T = TypeVar("T")
LARGE = 2**20
"""Smaller files are hashed at once: a thread would take longer to start."""
_CHUNK = 2**22


def broken(path: Path, found: str | None, expected: object, mend: str) -> UserError:
    """Return the error of a file that is not what was written.

    Args:
        path: The file.
        found: Its SHA-256; None if it is missing.
        expected: The SHA-256 in the receipt; None if the receipt does not name the file.
        mend: What the user can do, as the end of a sentence.
    """
    told = f"its SHA-256 is {found[:12]}" if found else "it is missing"
    said = f"says {str(expected)[:12]}" if expected else "does not name it"
    return UserError(
        f"{path} is not the file that was written: {told}, and the receipt {said}; {mend}."
    )


def read_verified(path: Path, expected: str | None, parse: Callable[[bytes], T], mend: str) -> T:
    """Read a file once, hash the bytes while they are parsed, and compare.

    Args:
        path: The file.
        expected: Its SHA-256 in the receipt of the stage that wrote it; None matches nothing.
        parse: Turns the bytes into a value. If it fails on bytes other than those that were
            written, the difference is reported and not the failure.
        mend: What the user can do, as the end of a sentence.

    Raises:
        UserError: The file is missing, or is not the one that was written.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise broken(path, None, expected, mend) from None
    if len(data) < LARGE:
        found = sha256_bytes(data)
        if found != expected:
            raise broken(path, found, expected, mend)
        return parse(data)
    with ThreadPoolExecutor(1) as pool:
        # The interpreter's lock is free while a large buffer is hashed.
        digest = pool.submit(sha256_bytes, data)
        try:
            value = parse(data)
        except Exception:
            if digest.result() == expected:
                raise
        if digest.result() != expected:
            raise broken(path, digest.result(), expected, mend)
    return value


class Verification:
    """Files that are hashed in a separate thread while others use their content.

    For files that are mapped rather than read whole: both use the same pages of the file system's
    cache.
    """

    def __init__(self, folder: Path, files: Mapping[str, str | None], mend: str) -> None:
        """Start hashing.

        Args:
            folder: Where the files are.
            files: SHA-256 by name, as in their receipt; None matches nothing.
            mend: What the user can do, as the end of a sentence.
        """
        self._folder, self._files, self._mend = folder, dict(files), mend
        self._error: Exception | None = None
        # A daemon, so as not to keep alive a process that ends for another reason.
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def poll(self) -> None:
        """Raise what has been found so far.

        Raises:
            UserError: A file is missing, or is not the one that was written.
        """
        if self._error is not None:
            raise self._error

    def wait(self) -> None:
        """Wait until everything is hashed; raise what was found.

        Raises:
            UserError: A file is missing, or is not the one that was written.
        """
        self._thread.join()
        self.poll()

    def _run(self) -> None:
        try:
            for name, expected in self._files.items():
                path = self._folder / name
                found = _hash(path) if path.is_file() else None
                if found is None or found != expected:
                    raise broken(path, found, expected, self._mend)
        except Exception as error:  # raised again by poll and wait
            self._error = error


class Verifications:
    """Several verifications as one."""

    def __init__(self, parts: Iterable[Verification]) -> None:
        self._parts = tuple(parts)

    def poll(self) -> None:
        """Raise what has been found so far.

        Raises:
            UserError: A file is missing, or is not the one that was written.
        """
        for part in self._parts:
            part.poll()

    def wait(self) -> None:
        """Wait until everything is hashed; raise what was found.

        Raises:
            UserError: A file is missing, or is not the one that was written.
        """
        for part in self._parts:
            part.wait()


def load_verified(path: Path, expected: str | None, load: Callable[[Path], T], mend: str) -> T:
    """Load a file by its path, hash it meanwhile, and compare.

    For large files whose loader maps them: reading them whole first would copy every byte twice.

    Args:
        path: The file.
        expected: Its SHA-256 in the receipt of the stage that wrote it; None matches nothing.
        load: Turns the file into a value. If it fails on a file other than the one that was
            written, the difference is reported and not the failure.
        mend: What the user can do, as the end of a sentence.

    Raises:
        UserError: The file is missing, or is not the one that was written.
    """
    hashed = Verification(path.parent, {path.name: expected}, mend)
    try:
        value = load(path)
    except Exception:
        hashed.wait()
        raise
    hashed.wait()
    return value


def _hash(path: Path) -> str:
    digest, buffer = hashlib.sha256(), bytearray(_CHUNK)
    with open(path, "rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(memoryview(buffer)[:count])
    return digest.hexdigest()
