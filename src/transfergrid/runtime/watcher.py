"""Who hears how a long job is going, and may stop it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from transfergrid.runtime.errors import Stopped


def _ignore(event: Mapping[str, Any]) -> None:
    pass


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Watcher:
    """How a job reports its progress and learns that it should stop.

    Attributes:
        report: Receives events: ``{"event": "note", "message"}``, and about every five seconds
            ``{"event": "step", "step", "steps", "loss", "images_per_second", "seconds_left"}``
            (loss None right after a validation; no loss while scoring, where a step is an image;
            seconds_left None where nobody can tell, as of a phase that only its patience ends).
        stop: Tells whether the job should save its state and end; asked at every step.
    """

    report: Callable[[Mapping[str, Any]], None] = _ignore
    stop: Callable[[], bool] = _never

    def say(self, message: str) -> None:
        """Report a sentence."""
        self.report({"event": "note", "message": message})

    def check(self) -> None:
        """Raise `Stopped` if the job is to end."""
        if self.stop():
            raise Stopped
