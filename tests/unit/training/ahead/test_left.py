"""Cells that are left to their own jobs: others' code, others' hands, failures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from going_on import go_on
from unit.training.ahead.worker import put, worker

from transfergrid.commands.live import Cells
from transfergrid.planning.naming import cell_name
from transfergrid.planning.records import AHEAD_LOCK, FINISHED, LOCK, RECORD
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.locks import exclusive
from transfergrid.training import loop


def harm_spec(folder: Path) -> None:
    (folder / "spec.json").write_text("{")


def train_elsewhere(folder: Path) -> None:
    (folder / RECORD).write_text("{}")


def end_elsewhere(folder: Path) -> None:
    (folder / FINISHED).write_text("{}")


def lose_spec(folder: Path) -> None:
    (folder / "spec.json").unlink()


def begin_elsewhere(folder: Path) -> None:
    # Its own job may have failed, and would fail here as well.
    (folder / "logs").mkdir()
    (folder / "logs" / "progress.jsonl").touch()


HARMS = [harm_spec, train_elsewhere, end_elsewhere, lose_spec, begin_elsewhere]


@pytest.mark.parametrize("harm", HARMS)
def test_cells_that_are_not_to_be_trained_here_are_left(
    results: Path, trainings: list[str], specs: list[dict[str, Any]], harm: Any
) -> None:
    first, second = put(specs[1], results), put(specs[2], results)
    harm(first)
    go_on(worker(specs[0], results), [first.name, second.name], 1.0, lambda said: None)
    assert trainings == [second.name]


@pytest.mark.parametrize(
    "change",
    [
        lambda spec: spec["code"].update(train="edited since"),
        lambda spec: spec["code"].update(metric="edited since"),
        lambda spec: spec["architecture"].update(code="a user's own, which may keep a state"),
        lambda spec: spec["metric"].update(function="my_metrics:best"),
        lambda spec: spec["recipe"].update(deterministic=False),
        lambda spec: spec["weights"].update(id="lite0-wheel-0"),
        lambda spec: spec["weights"].update(source_cell="a-cell-that-is-not-trained"),
        lambda spec: spec.update(features={"0": "films-net-0"}),
        lambda spec: spec.update(tuning={"id": "t-0"}),
        lambda spec: spec["dataset"].update(id="other-0"),
    ],
)
def test_cells_of_other_code_or_without_what_they_need_are_left(
    results: Path, trainings: list[str], specs: list[dict[str, Any]], change: Any
) -> None:
    assert specs[0]["recipe"]["deterministic"]
    change(specs[1])
    first, second = put(specs[1], results), put(specs[2], results)
    go_on(worker(specs[0], results), [first.name, second.name], 1.0, lambda said: None)
    assert trainings == [second.name]


def test_weights_may_differ_in_what_made_them(
    results: Path, trainings: list[str], specs: list[dict[str, Any]]
) -> None:
    specs[1]["code"]["weights"] = "0123"
    names = [put(spec, results).name for spec in specs[1:]]
    go_on(worker(specs[0], results), names, 1.0, lambda said: None)
    assert trainings == names


def test_the_code_of_each_cell_is_compared(
    results: Path, trainings: list[str], specs: list[dict[str, Any]]
) -> None:
    first, second = put(specs[1], results), put(specs[2], results)
    held: list[str] = []

    def hold(spec: Mapping[str, Any]) -> None:
        held.append(cell_name(spec))
        if held[-1] == first.name:
            raise UserError("its plug-in was edited")

    this = worker(specs[0], results, hold=hold)
    go_on(this, [first.name, second.name], 1.0, lambda said: None)
    assert (held, trainings) == ([first.name, second.name], [second.name])


def test_a_cell_that_fails_is_left_to_its_own_job(
    results: Path, specs: list[dict[str, Any]]
) -> None:
    specs[1]["architecture"]["factory"] = "unit.training.tiny:there_is_none"
    first, second = put(specs[1], results), put(specs[2], results)
    said: list[str] = []
    assert go_on(worker(specs[0], results), [first.name, second.name], 1.0, said.append) == []
    assert f"{first.name} is left to its own job" in said[-1]
    assert not (first / FINISHED).exists() and not (second / "logs").exists()
    # Nothing says that the cell has failed: its own job will try, and say.
    assert Cells([first.name], results).look()[first.name].state != "failed"


def test_one_whose_specification_is_made_again_meanwhile_is_left_to_its_own_job(
    results: Path, specs: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Snakemake removes what a job makes before the job begins.
    folder, real = put(specs[1], results), loop._take_step

    def remove(*arguments: Any) -> None:
        (folder / "spec.json").unlink(missing_ok=True)
        real(*arguments)

    monkeypatch.setattr(loop, "_take_step", remove)
    said: list[str] = []
    assert go_on(worker(specs[0], results), [folder.name], 1.0, said.append) == []
    assert "made again meanwhile" in said[-1]
    assert not (folder / FINISHED).exists()


def test_a_cell_that_is_held_is_passed_over(
    results: Path, trainings: list[str], specs: list[dict[str, Any]]
) -> None:
    first, second = put(specs[1], results), put(specs[2], results)
    for name in (LOCK, AHEAD_LOCK):
        with exclusive(first / name):
            go_on(worker(specs[0], results), [first.name, second.name], 1.0, lambda said: None)
    assert trainings == [second.name, second.name]
