"""Time left, against sums that can be done in one's head."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from transfergrid.commands.live import CellLive, Told
from transfergrid.commands.time_left import SAMPLES, Pace
from transfergrid.planning.cells import Cell
from transfergrid.planning.grid import Point
from transfergrid.planning.paths import cell_directory


def cells_of(
    architecture: str, count: int, dataset: str = "films", epochs: float = 2, trial: bool = False
) -> list[Cell]:
    return [
        Cell(
            point=Point(
                dataset, architecture, "random", 0, "finetune.lr0.1" if trial else "finetune", seed
            ),
            name=f"{dataset}-{architecture}-{seed}{'-trial' if trial else ''}",
            spec=json.dumps({"recipe": {"epochs": epochs}}),
            dataset_id="",
            weights_id=None,
            source_cell=None,
            tuning=None,
            features=(),
            trial=trial,
            family="",
            network=architecture,
            imagenet_top1=None,
        )
        for seed in range(count)
    ]


def pace_of(cells: list[Cell], results: Path) -> Pace:
    return Pace({cell.name: cell for cell in cells}, results)


def finish(cell: Cell, results: Path, seconds: float, scoring: float = 0.0) -> CellLive:
    folder = cell_directory(cell.name, results)
    folder.mkdir(parents=True)
    (folder / "train.json").write_text(json.dumps({"train_seconds": seconds}))
    told = Told("evaluate", 1, "node", 1000.0, 1000.0 + scoring, ended="finished")
    return CellLive(cell.name, "finished", told)


def running(cell: Cell, left: float | None, elapsed: float = 10.0) -> CellLive:
    told = Told("train", 1, "node", 1000.0, 1000.0 + elapsed, seconds_left=left)
    return CellLive(cell.name, "running", told)


def test_work_left_is_shared_by_the_jobs(tmp_path: Path) -> None:
    cells = cells_of("a", 6)
    pace = pace_of(cells, tmp_path)
    live = [finish(cells[0], tmp_path, 90.0, 10.0), finish(cells[1], tmp_path, 110.0, 10.0)]
    live += [running(cells[2], 30.0), running(cells[3], None)]
    live += [CellLive(cell.name, "missing") for cell in cells[4:]]
    pace.learn(live)
    # Training takes 100 s and scoring 10: one job has 40 s left, three cells 110 s each.
    assert pace.seconds_left(live, jobs=2) == pytest.approx((40 + 3 * 110) / 2)


def test_the_longest_job_is_the_least_that_is_left(tmp_path: Path) -> None:
    cells = cells_of("a", 3)
    live = [running(cells[0], 500.0), running(cells[1], 20.0), CellLive(cells[2].name, "failed")]
    assert pace_of(cells, tmp_path).seconds_left(live, jobs=2) == 500.0


def test_a_cell_is_judged_by_the_cells_most_like_it(tmp_path: Path) -> None:
    small, large = cells_of("small", 2), cells_of("large", 2)
    pace = pace_of(small + large, tmp_path)
    live = [finish(small[0], tmp_path, 10.0), finish(large[0], tmp_path, 1000.0)]
    live += [CellLive(small[1].name, "missing")]
    pace.learn(live)
    assert pace.seconds_left(live, jobs=1) == 10.0
    # Nothing like it has finished: the others of its data set stand in.
    other = cells_of("other", 1)
    pace = pace_of(small + large + other, tmp_path)
    pace.learn(live)
    assert pace.seconds_left([CellLive(other[0].name, "missing")], jobs=1) == 505.0


def test_a_running_cell_stands_in_until_one_has_finished(tmp_path: Path) -> None:
    cells = cells_of("a", 2)
    live = [running(cells[0], 70.0, elapsed=30.0), CellLive(cells[1].name, "missing")]
    assert pace_of(cells, tmp_path).seconds_left(live, jobs=1) == 70 + 100


def test_a_trial_is_as_much_shorter_as_its_epochs_and_never_scored(tmp_path: Path) -> None:
    trials, cells = cells_of("a", 2, trial=True, epochs=0.5), cells_of("a", 1, epochs=3)
    pace = pace_of(trials + cells, tmp_path)
    finish(trials[0], tmp_path, 10.0)
    live = [CellLive(trials[0].name, "finished")]
    live += [CellLive(cell.name, "missing") for cell in (trials[1], cells[0])]
    pace.learn(live)
    assert pace.seconds_left(live, jobs=1) == pytest.approx(10 + 60)
    # Once it is known how long scoring takes, that is added for the cell and not for the trial.
    other = cells_of("b", 1, epochs=3)
    pace = pace_of(trials + cells + other, tmp_path)
    live += [finish(other[0], tmp_path, 500.0, scoring=7.0)]
    pace.learn(live)
    assert pace.seconds_left(live, jobs=1) == pytest.approx(10 + 60 + 7)


def test_a_stopped_training_goes_on_where_it_was(tmp_path: Path) -> None:
    cells = cells_of("a", 2)
    pace = pace_of(cells, tmp_path)
    live = [finish(cells[0], tmp_path, 100.0)]
    told = Told("train", 1, "node", 0.0, 0.0, step=75, steps=100)
    live += [CellLive(cells[1].name, "stopped", told)]
    pace.learn(live)
    assert pace.seconds_left(live, jobs=1) == pytest.approx(25)


def test_nobody_can_tell_without_jobs_or_without_any_rate(tmp_path: Path) -> None:
    cells = cells_of("a", 2)
    live = [running(cells[0], None), CellLive(cells[1].name, "missing")]
    pace = pace_of(cells, tmp_path)
    assert pace.seconds_left(live, jobs=1) is None
    assert pace.seconds_left([running(cells[0], 5.0)], jobs=0) is None
    broken = cell_directory(cells[1].name, tmp_path)
    broken.mkdir(parents=True)
    (broken / "train.json").write_text('{"train_sec')
    pace.learn([CellLive(cells[1].name, "finished")])
    assert pace.seconds_left(live, jobs=1) is None


def test_a_few_cells_of_each_kind_are_read_and_each_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = cells_of("a", 3 * SAMPLES) + cells_of("b", 2)
    live = [finish(cell, tmp_path, 10.0) for cell in cells]
    pace, read = pace_of(cells, tmp_path), []
    inner = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda path: read.append(path) or inner(path))
    pace.learn(live)
    pace.learn(live)
    assert len(read) == len(set(read)) == SAMPLES + 2
