"""Cells trained in another cell's process: equal to the bit, bounded, and never in the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import going_on
import pytest
import torch
from going_on import BEGIN, END, MOST, SHORT, Worker, go_on
from unit.training.test_resume import outcome
from unit.training.test_stored import stored
from unit.training.tiny import make_cache, make_spec

from transfergrid.commands.live import Cells
from transfergrid.evaluation import ahead
from transfergrid.evaluation.ahead import take_over
from transfergrid.evaluation.predict import score_cell
from transfergrid.planning.listed import Listed, write_neighbours
from transfergrid.planning.naming import cell_name
from transfergrid.planning.neighbours import read_neighbours
from transfergrid.planning.recipe import Recipe
from transfergrid.planning.records import AHEAD_LOCK, FINISHED, LOCK, RECORD, TRAINED
from transfergrid.runtime import locks
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.locks import exclusive, exclusive_after, if_free
from transfergrid.training import loop, receipts
from transfergrid.training.finished import restore_trained
from transfergrid.training.loop import train

SCORES = ("scores/valid.npz", "scores/test.npz", "receipts/evaluate.json")
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


@pytest.fixture()
def results(tmp_path: Path) -> Path:
    make_cache(tmp_path / "results")
    (tmp_path / "results" / "cache" / "tiny-0" / "card.json").touch()
    return tmp_path / "results"


@pytest.fixture()
def specs() -> list[dict[str, Any]]:
    """Cells of different networks, recipes and seeds."""
    return [
        make_spec(seed=0, **SETTINGS),
        make_spec("dropout_network", seed=1, **SETTINGS),
        make_spec(seed=2, **{**SETTINGS, "optimizer": "sgd", "epochs": 1}),
    ]


def test_what_is_trained_ahead_is_what_its_own_job_would_have_made(
    results: Path, tmp_path: Path, specs: list[dict[str, Any]]
) -> None:
    alone = tmp_path / "alone"
    make_cache(alone)
    head = make_spec(train_layers="head", epochs=3, keep_checkpoints=1)
    for root in (results, alone):
        of_features = stored(root, head, 0)
    trial = make_spec(holdout=0.3, epochs=1, keep_checkpoints=0)
    own, *others = [*specs, of_features, trial]
    expected = []
    for spec in others:
        folder = put(spec, alone)
        torch.manual_seed(len(expected))  # What a process drew before is of no account.
        (folder / "card.json").write_bytes((alone / "cache/tiny-0/card.json").read_bytes())
        train(spec, alone, threads=1, environment={"ran": folder.name})
        if spec != trial:
            score_cell(spec, alone)
        expected.append((outcome(folder), scores(folder)))

    put(own, results)
    folders = [put(spec, results) for spec in others]
    train(own, results, threads=1)
    told: list[str] = []
    names = [folder.name for folder in folders]
    assert go_on(worker(own, results), names, 1.0, told.append) == names
    assert all(any(name in line for line in told) for name in names)
    for spec, folder, (record, scored) in zip(others, folders, expected, strict=True):
        # Nothing that Snakemake knows is there before the cell's own job has run.
        assert not any((folder / name).exists() for name in (RECORD, TRAINED, *SCORES))
        assert restore_trained(spec, results) is not None
        assert take_over(folder, "0123456789abcdef", 1) == (spec != trial)
        assert scores(folder) == scored
        found = outcome(folder)
        assert {*found.pop("rest")} == {*record.pop("rest"), "logs", LOCK, AHEAD_LOCK}
        assert found == record
    assert (
        "checkpoints/frozen.safetensors" in json.loads((folders[-2] / TRAINED).read_text())["files"]
    )


def scores(folder: Path) -> dict[str, bytes]:
    """Return what scoring has left in a cell's folder."""
    return {name: (folder / name).read_bytes() for name in SCORES if (folder / name).exists()}


def test_publishing_needs_no_torch_and_says_the_same(
    results: Path, specs: list[dict[str, Any]]
) -> None:
    _, folder, *_ = (put(spec, results) for spec in specs)
    go_on(worker(specs[0], results), [folder.name], 1.0, lambda said: None)
    program = (
        "import json, pathlib, sys\n"
        "from transfergrid.training.finished import restore_trained\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "spec = json.loads((folder / 'spec.json').read_text())\n"
        "assert restore_trained(spec, folder.parents[1])\n"
        "assert not {'torch', 'timm', 'numpy'} & set(sys.modules)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", program, folder], check=True, env=environment)
    record = json.loads((folder / RECORD).read_text())
    assert record["cell"] == folder.name == record["environment"]["ran"]
    assert (folder / TRAINED).exists()


def test_a_peak_of_memory_is_the_cell_s_own() -> None:
    cpu = torch.device("cpu")
    assert receipts.forget_peak(cpu)
    before = receipts.peak_memory_mb(cpu)
    del (large := [torch.ones(2**26)])[:]  # 256 MiB
    assert receipts.peak_memory_mb(cpu) > before + 200
    del large
    assert receipts.forget_peak(cpu)
    assert receipts.peak_memory_mb(cpu) < before + 100


def test_where_no_peak_can_be_forgotten_no_other_cell_is_trained(
    results: Path, specs: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = put(specs[1], results)
    monkeypatch.setattr(receipts, "forget_peak", lambda device: False)
    assert go_on(worker(specs[0], results), [folder.name], 1.0, lambda said: None) == []
    assert not (folder / FINISHED).exists()


@pytest.fixture()
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the cells that would have been trained; none is."""
    began: list[str] = []

    def note(cell: str, *rest: Any) -> None:
        began.append(cell)

    monkeypatch.setattr(going_on, "_train", note)
    return began


def test_a_process_ends_in_time(results: Path, trainings: list[str]) -> None:
    specs = [make_spec(seed=seed) for seed in range(9)]
    names = [put(spec, results).name for spec in specs]
    said: list[str] = []
    for slow in (SHORT + 1, 1e9):
        assert go_on(worker(specs[0], results), names, slow, said.append) == []
    assert go_on(worker(specs[0], results, stop=lambda: True), names, 1.0, said.append) == []
    assert not trainings and not said
    # Each cell looks at the clock twice: when it begins and when it has ended.
    clock = Clock(step=10.0)
    done = go_on(worker(specs[0], results, clock=clock), names, 1.0, said.append)
    assert done == trainings == names[:6]
    assert clock.now <= 10.0 + BEGIN + 10.0
    trainings.clear()
    # One that took long is the last.
    clock = Clock(step=SHORT + 1)
    assert go_on(worker(specs[0], results, clock=clock), names, 1.0, said.append) == names[:1]
    # It does not look for the one that is left among thousands.
    assert go_on(worker(specs[0], results), ["trained"] * MOST + names, 1.0, said.append) == []
    assert go_on(worker(specs[0], results), ["trained"] * 9 + names, 1.0, said.append) == names


def test_one_that_lasts_too_long_is_stopped_and_goes_on_in_its_own_job(
    results: Path, tmp_path: Path, specs: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = put(specs[1], results), put(specs[2], results)
    expected = tmp_path / "alone"
    make_cache(expected)
    (put(specs[1], expected) / "card.json").write_bytes(
        (results / "cache/tiny-0/card.json").read_bytes()
    )
    train(specs[1], expected, threads=1)
    clock, steps, real = Clock(), [], loop._take_step

    def late(*arguments: Any) -> None:
        real(*arguments)
        steps.append(1)
        clock.now = END if len(steps) == 5 else clock.now

    monkeypatch.setattr(loop, "_take_step", late)
    said: list[str] = []
    names = [first.name, second.name]
    assert go_on(worker(specs[0], results, clock=clock), names, 1.0, said.append) == []
    assert len(steps) == 5 and (first / "resume.pt").exists()
    assert said[-1].startswith(f"{first.name} is left to its own job: state saved at step 5 of")
    assert not (first / FINISHED).exists() and not (second / "logs").exists()
    assert Cells([first.name], results).look()[first.name].state == "stopped"
    train(specs[1], results, threads=1)
    (alone,) = (expected / "cells").iterdir()
    mine, theirs = outcome(first), outcome(alone)
    assert len(steps) == mine["record"]["steps"]
    del mine["rest"], theirs["rest"]
    assert mine == theirs


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


@pytest.mark.parametrize("asked", [True, False])
def test_scoring_is_stopped_in_time_as_well(
    results: Path, specs: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, asked: bool
) -> None:
    folder, clock, stop = put(specs[1], results), Clock(), []

    def begin(cell: Path) -> Path:
        if asked:
            stop.append(True)
        else:
            clock.now = END
        return cell / "ahead"

    monkeypatch.setattr(ahead, "begin", begin)
    this = worker(specs[0], results, clock=clock, stop=lambda: bool(stop))
    assert go_on(this, [folder.name], 1.0, lambda said: None) == [folder.name]
    assert (folder / FINISHED).exists() and not (folder / "ahead").exists()


def test_memory_that_runs_out_beside_another_training_changes_no_result(
    results: Path, specs: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Alone, it may fit in the micro-batch of its recipe.
    folder, real, sizes = put(specs[1], results), loop._take_step, []

    def full(job: Any, *arguments: Any) -> None:
        sizes.append(job.micro_batch)
        if len(sizes) == 1:
            raise torch.OutOfMemoryError
        real(job, *arguments)

    monkeypatch.setattr(loop, "_take_step", full)
    assert go_on(worker(specs[0], results), [folder.name], 1.0, lambda said: None) == []
    assert len(sizes) == 1 and not (folder / FINISHED).exists()
    whole = Recipe.from_dict(specs[1]["recipe"]).micro_batch
    assert train(specs[1], results)["micro_batch"] == whole


def test_one_that_diverges_is_recorded_as_its_own_job_would(results: Path) -> None:
    specs = [make_spec(), make_spec(seed=1, learning_rate=1e30, keep_checkpoints=1)]
    folder = put(specs[1], results)
    assert go_on(worker(specs[0], results), [folder.name], 1.0, lambda said: None) == [folder.name]
    assert not (folder / "ahead").exists()
    record = restore_trained(specs[1], results)
    assert record is not None and record["status"] == "diverged"
    assert json.loads((folder / TRAINED).read_text())["status"] == "diverged"


def test_a_cell_ahead_is_seen_to_run_and_then_to_wait(
    results: Path, specs: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, real, seen = put(specs[1], results), loop._take_step, []

    def look(*arguments: Any) -> None:
        if not seen:
            seen.append(Cells([folder.name], results).look()[folder.name])
        real(*arguments)

    monkeypatch.setattr(loop, "_take_step", look)
    go_on(worker(specs[0], results), [folder.name], 1.0, lambda said: None)
    assert seen[0].state == "running"
    assert seen[0].told.by == cell_name(specs[0]) and seen[0].told.pid == os.getpid()
    assert Cells([folder.name], results).look()[folder.name].state == "trained"


HOLD = """
import pathlib, sys, time
from transfergrid.runtime.locks import if_free
folder = pathlib.Path(sys.argv[1])
with if_free(folder / ".ahead.lock") as first, if_free(folder / ".lock") as second:
    print(first and second, flush=True)
    time.sleep(float(sys.argv[2]))
"""


@pytest.fixture()
def helper(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that trains the cell in `tmp_path`."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    program = [sys.executable, "-c", HOLD, str(tmp_path), "60"]
    child = subprocess.Popen(program, env=environment, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stdout.readline().strip() == "True"
    yield child
    child.kill()
    child.communicate()


def test_a_cell_s_own_job_waits_for_one_that_is_ahead_even_a_killed_one(
    tmp_path: Path, helper: subprocess.Popen[str]
) -> None:
    waited: list[float] = []

    def kill(seconds: float) -> None:
        assert helper.poll() is None
        waited.append(seconds)
        helper.send_signal(signal.SIGKILL)

    with exclusive_after(tmp_path / LOCK, tmp_path / AHEAD_LOCK, "in use", kill):
        assert len(waited) == 1
        assert not (tmp_path / AHEAD_LOCK).exists()
        with if_free(tmp_path / LOCK) as free:
            assert not free


def test_a_second_job_of_a_cell_is_refused_as_before(tmp_path: Path) -> None:
    def wait(seconds: float) -> None:
        pytest.fail("it is no helper")

    (tmp_path / AHEAD_LOCK).touch()  # left by one that was killed
    began = time.monotonic()
    with (
        exclusive(tmp_path / LOCK),
        pytest.raises(UserError, match=r"^in use$"),
        exclusive_after(tmp_path / LOCK, tmp_path / AHEAD_LOCK, "in use", wait),
    ):
        pytest.fail("two holders of one lock")
    assert time.monotonic() - began < 30


def test_only_a_lock_file_that_has_its_name_keeps_others_out(tmp_path: Path) -> None:
    lock, helper = tmp_path / LOCK, tmp_path / AHEAD_LOCK
    opened, real = [], locks._open

    def removed_meanwhile(path: Path) -> int:
        descriptor = real(path)
        if not opened:
            path.unlink()
        opened.append(path)
        return descriptor

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(locks, "_open", removed_meanwhile)
        with if_free(helper) as held:
            assert not held
    # What another process holds is its own to remove.
    with (
        if_free(helper) as looking,
        exclusive_after(lock, helper, "in use", lambda waited: None),
    ):
        assert looking and helper.exists()


def test_a_cell_that_is_held_is_passed_over(
    results: Path, trainings: list[str], specs: list[dict[str, Any]]
) -> None:
    first, second = put(specs[1], results), put(specs[2], results)
    for name in (LOCK, AHEAD_LOCK):
        with exclusive(first / name):
            go_on(worker(specs[0], results), [first.name, second.name], 1.0, lambda said: None)
    assert trainings == [second.name, second.name]


def test_lists_hold_the_cells_of_the_latest_plan(tmp_path: Path) -> None:
    specs = [make_spec(seed=seed) for seed in range(20)]
    names = [cell_name(spec) for spec in specs]
    assert read_neighbours(specs[0], tmp_path) == []
    one, other = (Listed(data, studies=("demo",)) for data in ("tiny-0", "shapes-0"))
    write_neighbours({**dict.fromkeys(names, one), "other": other}, tmp_path)
    orders = [read_neighbours(spec, tmp_path) for spec in specs]
    assert [{*order, name} for order, name in zip(orders, names, strict=True)] == [{*names}] * 20
    assert all(len(order) == 19 for order in orders)
    # Each process has an order of its own, so that two seldom want the same, and none the next.
    assert len({order[0] for order in orders}) > 8
    assert sum(b == o[0] for o, b in zip(orders, names[1:] + names[:1], strict=True)) < 6
    # A cell that has left the study is trained by nobody, and trains nobody.
    write_neighbours(dict.fromkeys(names[:3], one), tmp_path)
    assert sorted(read_neighbours(specs[1], tmp_path)) == [names[0], names[2]]
    assert read_neighbours(specs[3], tmp_path) == []
    write_neighbours({}, tmp_path)
    assert list(tmp_path.iterdir()) == []
    for damaged in ("[", "[[1]]", "7", '["ab"]'):
        (tmp_path / "untrained.tiny-0.json").write_text(damaged)
        assert read_neighbours(specs[1], tmp_path) == []


def test_a_job_that_others_wait_for_goes_on_only_with_what_the_same_wait_for(
    tmp_path: Path,
) -> None:
    specs = [make_spec(seed=seed) for seed in range(7)]
    names = [cell_name(spec) for spec in specs]
    starts = [("t-1",), ("t-1", "t-2"), ("t-2",), (names[3],), (), (), ()]
    studies = [*[("a",)] * 4, ("a", "b"), ("b",), ("c",)]
    cells = zip(names, starts, studies, strict=True)
    write_neighbours({name: Listed("tiny-0", *rest) for name, *rest in cells}, tmp_path)
    found = [sorted(names.index(n) for n in read_neighbours(spec, tmp_path)) for spec in specs]
    trials = [[1], [0, 2], [1]]
    assert found == [*trials, [], [0, 1, 2, 3, 5], [4], []]
