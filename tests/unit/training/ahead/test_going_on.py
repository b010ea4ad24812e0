"""Cells trained in another cell's process: equal to the bit, bounded, and never in the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from going_on import BEGIN, END, MOST, SHORT, go_on
from unit.training.ahead.worker import Clock, put, worker
from unit.training.test_resume import outcome
from unit.training.test_stored import stored
from unit.training.tiny import make_cache, make_spec

from transfergrid.commands.live import Cells
from transfergrid.evaluation import ahead
from transfergrid.evaluation.ahead import take_over
from transfergrid.evaluation.predict import score_cell
from transfergrid.planning.naming import cell_name
from transfergrid.planning.recipe import Recipe
from transfergrid.planning.records import AHEAD_LOCK, FINISHED, LOCK, RECORD, TRAINED
from transfergrid.training import loop, receipts
from transfergrid.training.finished import restore_trained
from transfergrid.training.loop import train

SCORES = ("scores/valid.npz", "scores/test.npz", "receipts/evaluate.json")


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
