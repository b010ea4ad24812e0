"""What jobs of a cell recorded of the energy that they used: logs/energy.jsonl in its folder.

One JSON object per attempt and stage. Nothing depends on the file: what cannot be read is unknown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

NAME = "energy.jsonl"
"""The file, beside the logs of a cell's jobs."""
FINISHED = "finished"
_COMPLETE = (FINISHED, "diverged")
"""How an attempt ended that is not continued."""
_JOULES = ("package_joules", "cpu_joules", "gpu_joules")


@dataclass(frozen=True)
class Energy:
    """Energy of one or more attempts; None is unknown.

    Attributes:
        seconds: How long it was measured.
        package_joules: What the processor's packages used meanwhile, for all that ran on them.
        cpu_joules: The job's share of that, by processor time.
        gpu_joules: What its GPU used.
    """

    seconds: float
    package_joules: float | None = None
    cpu_joules: float | None = None
    gpu_joules: float | None = None

    @property
    def told(self) -> bool:
        """Whether anything but the time is known."""
        return self.package_joules is not None or self.gpu_joules is not None


def append_energy(path: Path, stage: str, status: str, energy: Energy) -> None:
    """Add an attempt at a stage, and how it ended.

    Raises:
        OSError: It cannot be written.
    """
    line = json.dumps({"stage": stage, "status": status, **asdict(energy)}, allow_nan=False)
    with open(path, "a", encoding="utf-8") as file:
        file.write(line + "\n")


def read_energy(path: Path, stage: str) -> Energy | None:
    """Return what the latest result of a stage took, with the attempts that it continued.

    Args:
        path: The file.
        stage: The stage.

    Returns:
        The sum over these attempts, None where one of them does not tell; None if there are none.
    """
    last: list[Energy] = []
    for attempt in reversed(_attempts(path, stage)):
        # What came to its end before was another result: this one began afresh.
        if last and attempt["status"] in _COMPLETE:
            break
        last.append(Energy(attempt["seconds"], *(attempt[name] for name in _JOULES)))
    return _sum(last) if last else None


def _attempts(path: Path, stage: str) -> list[Mapping[str, Any]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError):
        return []
    found = []
    for line in lines:
        try:
            attempt = json.loads(line)
        except ValueError:  # a line that was cut off
            continue
        if _is_attempt(attempt) and attempt["stage"] == stage:
            found.append(attempt)
    return found


def _is_attempt(value: object) -> bool:
    if not isinstance(value, dict) or not {"stage", "status"} <= value.keys():
        return False
    known = isinstance(value.get("seconds"), int | float)
    others = (value.get(name, "") for name in _JOULES)
    return known and all(number is None or isinstance(number, int | float) for number in others)


def _sum(parts: Sequence[Energy]) -> Energy:
    return Energy(
        sum(part.seconds for part in parts),
        *(_whole([getattr(part, name) for part in parts]) for name in _JOULES),
    )


def _whole(numbers: Sequence[float | None]) -> float | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if len(known) == len(numbers) else None
