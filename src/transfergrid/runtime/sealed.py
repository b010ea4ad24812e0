"""Files that hold the SHA-256 of their own content, so that reading reveals a flipped bit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transfergrid.runtime.atomic import write_json
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import canonical_json, sha256_bytes, sha256_text

SEAL = "seal"
"""Key of the SHA-256 of everything else, as canonical JSON."""
DIGITS = 64
"""Length of the SHA-256 that a sealed file of bytes begins with."""


class Unsealed(UserError):  # noqa: N818 - shown as a sentence, not as a fault
    """A file has no SHA-256 of its own: it is from a version of TransferGrid that kept none."""


def write_sealed(path: str | Path, value: Mapping[str, Any]) -> None:
    """Write a mapping as indented JSON with its seal, atomically."""
    write_json(path, {**value, SEAL: _seal(value)})


def read_sealed(
    path: str | Path, mend: str = "remove it and run snakemake again"
) -> dict[str, Any]:
    """Read what `write_sealed` wrote, without the seal.

    Args:
        path: The file.
        mend: What the user can do if it is broken.

    Raises:
        OSError: It cannot be read.
        Unsealed: It never had a seal.
        UserError: It is not what was written.
    """
    data = Path(path).read_bytes()
    try:
        value = dict(json.loads(data))
        never = SEAL not in value and not _renamed(value)
        whole = value.pop(SEAL, None) == _seal(value)
    except (ValueError, TypeError):
        never = whole = False
    if never:
        raise Unsealed(f"{path} has no seal, so an earlier version wrote it: {mend}.")
    if not whole:
        raise UserError(f"{path} is not what was written there (its seal is broken): {mend}.")
    return value


def unseal(data: bytes) -> bytes | None:
    """Return what follows the SHA-256 that bytes begin with; None if it does not match."""
    digest, content = data[:DIGITS], data[DIGITS:]
    return content if sha256_bytes(content).encode("ascii") == digest else None


def _renamed(value: Mapping[str, Any]) -> bool:
    """Tell whether some value is the seal of all the others, so that a bit of its key flipped."""
    return any(
        isinstance(found, str) and found == _seal({k: v for k, v in value.items() if k != key})
        for key, found in value.items()
        if len(str(found)) == DIGITS
    )


def _seal(value: Mapping[str, Any]) -> str:
    return sha256_text(canonical_json(value))
