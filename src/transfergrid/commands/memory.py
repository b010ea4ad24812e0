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
        made = [path for path in outputs if os.path.exists(path)]
        if not made:
            return []
        oldest = min(os.stat(path).st_mtime_ns for path in made)
        return [
            path
            for path in inputs
            if os.path.exists(path)
            and os.stat(path).st_mtime_ns > oldest
            and not self._same(path, made)
        ]

    def _same(self, path: str, outputs: list[str]) -> bool:
        if os.stat(path).st_size > LARGEST_CHECKED:
            return False
        recorded = {self._checksum(path, output) for output in outputs}
        return recorded == {f"sha256:{sha256_file(path)}"}

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
