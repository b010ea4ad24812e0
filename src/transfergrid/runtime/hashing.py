"""SHA-256 of files, text and canonical JSON; seeds derived from words."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def sha256_file(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_bytes(data: bytes | bytearray | memoryview) -> str:
    """Return the SHA-256 of bytes as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def sha256_text(text: str) -> str:
    """Return the SHA-256 of UTF-8 text as 64 hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def canonical_json(value: Any) -> str:
    """Serialise to JSON in a single form: sorted keys, no spaces, ASCII, no NaN (ValueError).

    Equal numbers are written alike: ``epochs: 1`` and ``epochs: 1.0`` are one value.
    """
    return json.dumps(
        _plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def as_recorded(folder: Path, files: Mapping[str, str]) -> bool:
    """Tell whether a folder's files have the SHA-256 that a receipt gives for each name.

    Raises:
        OSError: One cannot be read.
    """
    return all(sha256_file(folder / name) == digest for name, digest in files.items())


def short_hash(value: Any, digits: int = 8) -> str:
    """Return the first hexadecimal digits of the SHA-256 of a value's canonical JSON."""
    return sha256_text(canonical_json(value))[:digits]


def seeded(*words: object) -> int:
    """Derive a seed in [0, 2**63) from words, the same on every machine and Python version."""
    digest = hashlib.sha256("\x1f".join(str(word) for word in words).encode("utf-8")).digest()
    return int.from_bytes(digest[:8], "big") >> 1
