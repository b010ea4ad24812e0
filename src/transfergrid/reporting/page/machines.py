"""What the trainings of a study ran on and with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from transfergrid.reporting.records import CellRecord


def hardware(records: Mapping[str, CellRecord]) -> list[tuple[str, str]]:
    """Return (what, values) pairs of everything that the trainings ran on and with."""
    found: dict[str, Counter[str]] = {}
    for record in records.values():
        there = record.train.get("environment", {})
        packages = there.get("packages", {})
        values = {
            "Device": record.train.get("device"),
            "Processor": there.get("processor"),
            "System": there.get("system"),
            "Python": there.get("python"),
            "PyTorch": packages.get("torch"),
            "timm": packages.get("timm"),
            "Commit": (there.get("commit") or "")[:12],
        }
        for what, value in values.items():
            if value:
                found.setdefault(what, Counter())[str(value)] += 1
    return [(what, _counted(values)) for what, values in found.items()]


def _counted(values: Counter[str]) -> str:
    if len(values) == 1:
        return next(iter(values))
    return ", ".join(f"{value} ({number} cells)" for value, number in values.most_common())
