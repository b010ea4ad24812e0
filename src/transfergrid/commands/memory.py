"""What Snakemake remembers about a folder, read to predict what it would do. Never written.

Snakemake redoes a job if an input is newer than its outputs, unless the input's content is what it
recorded; and if the job was killed while it wrote. The records are in .snakemake/; without them
times alone decide, for Snakemake as well.
"""

from __future__ import annotations

import json
import os
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from transfergrid.runtime.hashing import sha256_file

LARGEST_CHECKED = 1_000_000
"""Snakemake compares the content of files up to this many bytes (--max-checksum-file-size)."""
_LONGEST_NAME = 255


def modified(path: str | Path) -> int | None:
    """Return when a file was last written, in ns; None if it is gone: a run may remove it."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return None


class Memory:
    """The records of one working directory."""

    def __init__(self, folder: Path = Path(".snakemake")) -> None:
        self.folder = folder

    @cached_property
    def _killed(self) -> frozenset[str]:
        top = self.folder / "incomplete"
        return frozenset(
            os.path.relpath(os.path.join(root, file), top)
            for root, _, files in os.walk(top)
            for file in files
        )

    def incomplete(self, path: str) -> bool:
        """Tell whether an existing file was being written when its job was killed."""
        return bool(self._killed) and _record_name(path) in self._killed and os.path.exists(path)

    def updated(self, inputs: Iterable[str], outputs: Iterable[str]) -> list[str]:
        """Return the inputs because of which Snakemake would remake outputs that all exist."""
        made = {path: time for path in outputs if (time := modified(path)) is not None}
        if not made:
            return []
        oldest = min(made.values())
        return [
            path
            for path in inputs
            if (time := modified(path)) is not None
            and time > oldest
            and not self._same(path, list(made))
        ]

    def _same(self, path: str, outputs: list[str]) -> bool:
        try:
            if os.stat(path).st_size > LARGEST_CHECKED:
                return False
            digest = sha256_file(path)
        except FileNotFoundError:
            return True  # as one that was gone before
        return {self._checksum(path, output) for output in outputs} == {f"sha256:{digest}"}

    def _checksum(self, path: str, output: str) -> str | None:
        try:
            text = (self.folder / "metadata" / _record_name(output)).read_text(encoding="utf-8")
            checksum = (json.loads(text).get("input_checksums") or {}).get(path)
        except (OSError, ValueError, AttributeError):
            return None
        return checksum if checksum is None or ":" in checksum else f"sha256:{checksum}"

    @cached_property
    def locked(self) -> frozenset[str]:
        """Files that a Snakemake run, in progress or killed, reads or intends to write."""
        found: set[str] = set()
        for file in (self.folder / "locks").glob("*.lock"):
            try:
                found.update(file.read_text(encoding="utf-8").splitlines())
            except OSError:
                continue  # that run has just ended
        return frozenset(found)


def _record_name(path: str) -> str:
    """Return where Snakemake keeps its record of a file: base64, split into names."""
    encoded = urlsafe_b64encode(path.encode()).decode()
    size = _LONGEST_NAME - 1
    parts = [encoded[start : start + size] for start in range(0, len(encoded), size)]
    return os.path.join(*(f"@{part}" for part in parts[:-1]), parts[-1])
