"""Steps outside cells are told by the last line of their logs, while it is fresh."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from transfergrid.commands.steps import FRESH, SHORT, Step, read_steps
from transfergrid.planning.paths import PROJECT
from transfergrid.planning.plan import Plan, plan_run

NOW = 1_800_000_000.0


@pytest.fixture(scope="module")
def demo() -> Plan:
    return plan_run([PROJECT / "config.yaml"], {})


def write(path: Path, text: str, age: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (NOW - age, NOW - age))


def test_nothing_runs_where_nothing_is(demo: Plan, tmp_path: Path) -> None:
    assert read_steps(demo, tmp_path, NOW) == []


def test_a_step_is_shown_while_its_log_is_fresh(demo: Plan, tmp_path: Path) -> None:
    owner = demo.studies["demo"].datasets["phantom"].id
    log = tmp_path / "cache" / "logs" / f"{owner}.log"
    write(log, "decoding phantom 5/9 (56%), 1/s, 4 s left\n", FRESH - 1)
    shown = Step(f"data {owner}", "decoding phantom 5/9 (56%), 1/s, 4 s left", False)
    assert read_steps(demo, tmp_path, NOW) == [shown]
    write(log, "", 1)
    assert read_steps(demo, tmp_path, NOW) == [Step(f"data {owner}", "started", False)]
    write(log, "decoding phantom 5/9\n", FRESH + 1)
    assert read_steps(demo, tmp_path, NOW) == []


def test_a_failed_step_is_shown_until_it_is_made(demo: Plan, tmp_path: Path) -> None:
    owner = next(iter(demo.studies["demo"].weights))
    write(tmp_path / "weights" / "logs" / f"{owner}.log", "error: no network.\n", 10 * FRESH)
    write(tmp_path / "weights" / "logs" / "other-x-00000000.log", "error: not ours.\n", 1)
    assert read_steps(demo, tmp_path, NOW) == [Step(f"weights {owner}", "error: no network.", True)]
    write(tmp_path / "weights" / owner / "receipt.json", "{}", 0)
    assert read_steps(demo, tmp_path, NOW) == []


def test_the_steps_of_a_study(demo: Plan, tmp_path: Path) -> None:
    study = tmp_path / "demo"
    write(study / "logs" / "bootstrap.log", "bootstrap 3/20\n", 2)
    write(study / "tables" / "bootstrap.csv", "", 1)  # and no receipt yet
    write(study / "logs" / "page.log", "", 2)
    write(study / "receipts" / "report.json", "", 1)
    write(study / "logs" / "ensemble" / "a.best.log", "", 3)
    write(study / "logs" / "ensemble" / "b.best.log", "", 2)
    write(study / "logs" / "ensemble" / "a.best.tsv", "s\n", 1)  # what a job took
    assert read_steps(demo, tmp_path, NOW) == [
        Step("demo bootstrap", "bootstrap 3/20", False),
        Step("demo ensemble", "b.best", False),
    ]
    write(study / "logs" / "ensemble" / "b.best.log", "ValueError: no scores\n", 1)
    assert Step("demo ensemble", "ValueError: no scores", True) in read_steps(demo, tmp_path, NOW)
    os.utime(study / "logs" / "ensemble" / "b.best.log", (NOW - SHORT, NOW - SHORT))
    assert [step.name for step in read_steps(demo, tmp_path, NOW)] == [
        "demo bootstrap",
        "demo ensemble",
    ]
    os.utime(study / "logs" / "ensemble" / "a.best.log", (NOW - SHORT, NOW - SHORT))
    assert [step.name for step in read_steps(demo, tmp_path, NOW)] == ["demo bootstrap"]
