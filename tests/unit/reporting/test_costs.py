from __future__ import annotations

from typing import Any

import pytest

from transfergrid.reporting.costs import Cost, costs, sentence, totals
from transfergrid.reporting.records import CellRecord


def train(seconds: float | None, device: str = "NVIDIA H200") -> dict[str, Any]:
    return {"train_seconds": seconds, "device": device, "peak_memory_mb": 100.0}


CELLS = [
    {"cell": "a", "role": "target"},
    {"cell": "b", "role": "target"},
    {"cell": "c", "role": "source"},
    {"cell": "gone", "role": "target"},
    {"cell": "inherited", "role": "target"},
]
TRIALS = {"t1": train(1800.0), "t2": train(1800.0), "t3": {}}
RECORDS = {
    "a": CellRecord(train=train(3600.0), trials=TRIALS),
    # Another seed of a: the same trials, which count once.
    "b": CellRecord(train={**train(7200.0), "peak_memory_mb": 300.0}, trials=TRIALS),
    "c": CellRecord(train=train(900.0, "cpu")),
    "inherited": CellRecord(train=train(0.0)),
}


def test_trials_count_once_and_devices_apart() -> None:
    found = costs(CELLS, RECORDS)
    assert found == [
        Cost("cells of the grid", "NVIDIA H200", 2, 10800.0, 300.0),
        Cost("sources", "cpu", 1, 900.0, 100.0),
        Cost("learning-rate trials", "NVIDIA H200", 2, 3600.0, 100.0),
    ]
    assert totals(found) == [("4.0", "GPU-hours"), ("0.25", "CPU-hours")]
    assert sentence(found).startswith("4.0 GPU-hours and 0.25 CPU-hours of training in 5 jobs")


@pytest.mark.parametrize("records", [{}, {"a": CellRecord()}])
def test_nothing_recorded(records: dict[str, CellRecord]) -> None:
    assert costs(CELLS, records) == []
    assert totals([]) == []
    assert "not recorded" in sentence([])
