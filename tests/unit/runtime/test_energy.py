"""What a cell's jobs record of their energy, and which attempts belong to one result."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from transfergrid.runtime.energy import Energy, append_energy, read_energy

ONE = Energy(10.0, 500.0, 50.0, 2000.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "energy.jsonl"


def test_a_result_has_the_attempts_that_it_continued(path: Path) -> None:
    assert read_energy(path, "train") is None
    append_energy(path, "train", "stopped", Energy(1.0, 2.0, 1.0, 30.0))
    append_energy(path, "train", "finished", Energy(2.0, 3.0, 1.5, 40.0))
    assert read_energy(path, "train") == Energy(3.0, 5.0, 2.5, 70.0)
    assert read_energy(path, "evaluate") is None
    append_energy(path, "evaluate", "finished", ONE)
    assert read_energy(path, "evaluate") == ONE
    assert read_energy(path, "train") == Energy(3.0, 5.0, 2.5, 70.0)
    # Trained again: not what the first result took.
    for status in ("failed", "stopped", "diverged"):
        append_energy(path, "train", status, ONE)
    assert read_energy(path, "train") == Energy(30.0, 1500.0, 150.0, 6000.0)
    append_energy(path, "train", "finished", ONE)
    assert read_energy(path, "train") == ONE


def test_what_one_attempt_does_not_know_is_not_known_of_all(path: Path) -> None:
    append_energy(path, "train", "stopped", Energy(1.0, 2.0, 1.0))
    append_energy(path, "train", "finished", ONE)
    assert read_energy(path, "train") == Energy(11.0, 502.0, 51.0, None)


@pytest.mark.parametrize(
    "line",
    [
        "",
        '{"stage": "train", "sta',
        "[]",
        "7",
        '{"stage": "train", "status": "finished", "seconds": 1.0}',
        json.dumps(
            {"stage": "train", "status": "finished", "seconds": None}
            | dict.fromkeys(("package_joules", "cpu_joules", "gpu_joules"), 1.0)
        ),
        json.dumps(
            {"stage": "train", "status": "finished", "seconds": 1.0}
            | dict.fromkeys(("package_joules", "cpu_joules", "gpu_joules"), "1")
        ),
    ],
)
def test_broken_lines_are_passed_over(path: Path, line: str) -> None:
    path.write_text(f"{line}\n")
    append_energy(path, "train", "finished", ONE)
    with open(path, "a") as file:
        file.write(line)
    assert read_energy(path, "train") == ONE
    path.write_bytes(b"\xff\xfe")
    assert read_energy(path, "train") is None
