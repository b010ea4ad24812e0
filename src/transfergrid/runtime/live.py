"""A job's running report on itself, which ``transfergrid watch`` reads, and its energy."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from transfergrid.runtime.errors import Stopped
from transfergrid.runtime.meter import EnergyLog

FILE = Path("logs") / "progress.jsonl"
"""In a cell's folder: one JSON object per line, each with "time" (Unix seconds) and "event"."""


class Live:
    """The file, which each job starts afresh; messages and steps go to stderr as well.

    Whatever cannot be written is left out: no result depends on it.
    """

    def __init__(self, folder: Path, stage: str, by: str | None = None) -> None:
        """Begin the report on a stage (``train``, ``evaluate``) in a cell's folder.

        Args:
            folder: The cell's folder.
            stage: The stage.
            by: The cell whose job does this, if it is another's.
        """
        self.path, self.by = folder / FILE, by
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_bytes(b"")
        self._energy = EnergyLog(self.path.parent)
        self.start(stage)

    def start(self, stage: str) -> None:
        """Begin another stage."""
        self._energy.stage(stage)
        own = {"pid": os.getpid(), "host": platform.node(), "by": self.by}
        self.report({"event": "start", "stage": stage, **own})

    def report(self, event: Mapping[str, Any]) -> None:
        """Add an event, a mapping of plain values with the key "event".

        From the event "device" on, until the account ends, the job's energy is measured.
        """
        if event["event"] == "device":
            self._energy.device(event)
        if event["event"] in ("note", "waiting"):
            print(event["message"], file=sys.stderr, flush=True)
        elif event["event"] == "step":
            print(_line(event), file=sys.stderr, flush=True)
        if event["event"] != "note":
            with suppress(OSError, ValueError), open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps({"time": time.time(), **event}, allow_nan=False) + "\n")

    def wait(self, message: str) -> None:
        """Say what the job waits for."""
        self.report({"event": "waiting", "message": message})

    @contextmanager
    def account(self) -> Iterator[dict[str, str]]:
        """Add how the job ended, however the block is left; the block may set "status"."""
        end = {"status": "failed"}
        try:
            yield end
        except Stopped:
            end["status"] = "stopped"
            raise
        finally:
            self._energy.end(end["status"])
            self.report({"event": "end", **end})


def _line(event: Mapping[str, Any]) -> str:
    loss = f"loss {event['loss']:.4f}, " if event.get("loss") is not None else ""
    rate = f"{event['images_per_second']:.0f} images/s"
    if event["seconds_left"] is None:  # its number of steps is not known either
        return f"step {event['step']}, {loss}{rate}"
    left = f"{event['seconds_left']:.0f} s left"
    return f"step {event['step']}/{event['steps']}, {loss}{rate}, {left}"
