"""history.jsonl: one line for each validation of a training."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

from transfergrid.runtime.atomic import space_for


def plain(value: Any) -> Any:
    """Return `value` with every float that is not finite as None: JSON has no NaN."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


class History:
    """A file of JSON lines that only ever grows, or is cut back to an earlier length."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, line: dict[str, Any]) -> None:
        """Add a line and wait until it is on disk."""
        with space_for(self.path), open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(plain(line), allow_nan=False) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def size(self) -> int:
        """Return its length in bytes; 0 if there is none."""
        return self.path.stat().st_size if self.path.exists() else 0

    def cut(self, size: int) -> None:
        """Cut it back to `size` bytes; create it if there is none."""
        with open(self.path, "ab") as file:
            file.truncate(size)

    def lines(self) -> list[dict[str, Any]]:
        """Return all lines, oldest first."""
        return [json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines()]
