"""A process that trains other cells after its own, and cells for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from going_on import Worker

from transfergrid.planning.naming import cell_name

SETTINGS: dict[str, Any] = {
    "keep_checkpoints": 2,
    "validate_every_examples": 20,
    "augmentation": {"flip_probability": 0.5, "noise": 0.1},
}


def put(spec: Mapping[str, Any], results: Path) -> Path:
    """Write a cell's specification; return its folder."""
    folder = results / "cells" / cell_name(spec)
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(json.dumps(spec))
    return folder


def worker(spec: Mapping[str, Any], results: Path, **changes: Any) -> Worker:
    return Worker(
        **{
            "cell": cell_name(spec),
            "spec": spec,
            "results": results,
            "device": "cpu",
            "event": {"event": "device", "device": "cpu", "lease": None},
            "threads": 1,
            "scoring": "0123456789abcdef",
            "environment": lambda spec: {"ran": cell_name(spec)},
            "hold": lambda spec: None,
            "stop": lambda: False,
            **changes,
        }
    )


class Clock:
    """Goes on by a number of seconds whenever it is looked at."""

    def __init__(self, step: float = 0.0) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now
