from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from unit.training.tiny import make_cache, make_spec

from transfergrid.planning.naming import cell_name
from transfergrid.planning.records import FINISHED
from transfergrid.runtime.errors import Stopped
from transfergrid.runtime.watcher import Watcher
from transfergrid.training import loop, position
from transfergrid.training.checkpoints import Checkpoints
from transfergrid.training.history import History
from transfergrid.training.loop import train
from transfergrid.training.resume import load_state, save_state

TIMES = ("seconds", "images_per_second")
SETTINGS: dict[str, Any] = {
    "epochs": 2.5,
    "validate_every_examples": 12,
    "keep_checkpoints": 2,
    "schedule": "one_cycle",
    "warmup_fraction": 0.3,
    "learning_rate": 0.01,
    "augmentation": {"flip_probability": 0.5, "noise": 0.1, "rotate_degrees": 10.0},
}


class KilledError(BaseException):
    """Stands for the end of the process: no handler of ours catches it."""


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(loop, "STATE_SECONDS", 0.0)
    make_cache(tmp_path)
    return tmp_path


def outcome(folder: Path) -> dict[str, Any]:
    """Return all that a training leaves, times aside."""
    lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    for line in lines:
        for name in TIMES:
            line.pop(name)
    record = json.loads((folder / "train.json").read_text())
    for name in ("train_seconds", "images_per_second", "peak_memory_mb", "seal"):
        record.pop(name)
    record["files"].pop("history.jsonl")  # it holds times
    files = {p.name: p.read_bytes() for p in (folder / "checkpoints").iterdir()}
    rest = sorted(p.name for p in folder.iterdir())
    return {"history": lines, "record": record, "files": files, "rest": rest}


def trained(spec: dict[str, Any], results: Path, **options: Any) -> tuple[Path, dict[str, Any]]:
    """Train undisturbed; return the cell's folder and the outcome."""
    train(spec, results, **options)
    folder = results / "cells" / cell_name(spec)
    return folder, outcome(folder)


def hearing(told: list[str]) -> Watcher:
    """Return a watcher that adds each sentence to a list."""
    return Watcher(lambda event: told.append(str(event.get("message", event))))


def save_now_and_then(monkeypatch: pytest.MonkeyPatch, every: int) -> None:
    """Let a training save its position only at every n-th occasion."""
    save, offers = loop.save_position, []

    def now_and_then(*arguments: Any) -> None:
        offers.append(1)
        if len(offers) % every == 0:
            save(*arguments)

    monkeypatch.setattr(loop, "save_position", now_and_then)


def killed_at(
    monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, call: int, after: bool
) -> None:
    """Let the process end at the n-th call of a function, before or after its work."""
    real, calls = getattr(owner, name), []

    def function(*arguments: Any, **named: Any) -> Any:
        calls.append(1)
        if len(calls) == call and not after:
            raise KilledError
        result = real(*arguments, **named)
        if len(calls) == call and after:
            raise KilledError
        return result

    monkeypatch.setattr(owner, name, function)


SEVENTH_STATE = """
import json, os, signal, sys
from pathlib import Path
from transfergrid.training import loop
loop.STATE_SECONDS = 0.0
calls = []
write = Path.write_bytes
def half(path, data):
    write(path, bytes(data)[:1000] if len(data) > 1000 else data)
    calls.append(1)
    if len(calls) == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    write(path, data)
def only_here(path, stamp, values):
    Path.write_bytes = half
    real(path, stamp, values)
    Path.write_bytes = write
from transfergrid.training import position
real, position.save_state = position.save_state, only_here
loop.train(json.loads(sys.argv[1]), Path(sys.argv[2]), threads=1)
"""


def kill(spec: dict[str, Any], results: Path) -> None:
    """Train in a process of its own, which is killed while it writes its seventh state."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", SEVENTH_STATE, json.dumps(spec), str(results)]
    done = subprocess.run(command, env=environment, timeout=120)
    assert done.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("owner", "name", "call", "every", "network"),
    [
        (loop, "_take_step", 1, 1, "network"),
        (loop, "_take_step", 9, 1, "dropout_network"),
        (loop, "_take_step", 10, 5, "network"),
        (loop, "_take_step", 17, 3, "dropout_network"),
        (loop, "validate", 1, 1, "network"),
        (loop, "validate", 4, 5, "network"),
        (Checkpoints, "offer", 3, 1, "network"),
        (Checkpoints, "offer", 6, 5, "dropout_network"),
        (History, "append", 4, 5, "network"),
        (Checkpoints, "prune", 3, 3, "network"),
        (position, "save_state", 2, 5, "network"),
        (loop, "write_records", 1, 1, "network"),
    ],
)
def test_a_killed_training_ends_as_if_never_killed(
    results: Path,
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    name: str,
    call: int,
    every: int,
    network: str,
) -> None:
    spec = make_spec(network, seed=2, optimizer="sgd" if call == 9 else "adam", **SETTINGS)
    folder, expected = trained(spec, results)
    (folder / FINISHED).unlink()
    steps = [line["step"] for line in expected["history"]]
    kept = [int(name[5:13]) for name in expected["files"] if name.startswith("step")]
    assert not set(steps[:2]) & set(kept), "the case is too easy: the first ones stay the best"
    save_now_and_then(monkeypatch, every)
    told: list[str] = []
    for after in (False, True):
        with monkeypatch.context() as patch:
            killed_at(patch, owner, name, 1 if after else call, after)
            with pytest.raises(KilledError):
                train(spec, results, watcher=hearing(told))
        torch.rand(3)  # What a process drew before is of no account.
    train(spec, results, watcher=hearing(told))
    assert outcome(folder) == expected
    assert not any("anew" in line for line in told)


def test_a_resumed_training_does_not_start_over(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = make_spec(**SETTINGS)
    with monkeypatch.context() as patch:
        killed_at(patch, loop, "_take_step", 12, after=False)
        with pytest.raises(KilledError):
            train(spec, results)
    told: list[str] = []
    steps = []
    real = loop._take_step
    monkeypatch.setattr(loop, "_take_step", lambda *a: steps.append(1) or real(*a))
    record = train(spec, results, watcher=hearing(told))
    assert told[0] == f"continuing at step 11 of {record['steps']}"
    assert len(steps) == record["steps"] - 11


def test_a_killed_process_is_resumed(results: Path) -> None:
    spec = make_spec(**SETTINGS)
    folder, expected = trained(spec, results, threads=1)  # as many as the killed process
    (folder / FINISHED).unlink()
    kill(spec, results)
    assert list(folder.glob(".tmp-*"))
    told: list[str] = []
    train(spec, results, threads=1, watcher=hearing(told))
    assert told[0].startswith("continuing at step 6")
    assert outcome(folder) == expected


def test_a_state_without_its_files_is_not_used(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = make_spec(**SETTINGS)
    folder, expected = trained(spec, results)
    (folder / FINISHED).unlink()
    for victim in ("history.jsonl", "checkpoints"):
        with monkeypatch.context() as patch:
            killed_at(patch, loop, "_take_step", 12, after=False)
            with pytest.raises(KilledError):
                train(spec, results, fresh=True)
        gone = folder / victim
        if gone.is_dir():
            gone = next(gone.glob("step-*"))
        gone.unlink()
        told: list[str] = []
        train(spec, results, watcher=hearing(told))
        assert "files that are gone" in told[0]
        assert outcome(folder) == expected


@pytest.mark.parametrize("asked", [1, 2, 3, 7, 12, 23])
def test_a_stopped_training_ends_as_if_never_stopped(
    results: Path, monkeypatch: pytest.MonkeyPatch, asked: int
) -> None:
    monkeypatch.setattr(loop, "STATE_SECONDS", 1e9)  # the stop alone saves
    spec = make_spec("dropout_network", seed=2, **SETTINGS)
    folder, expected = trained(spec, results)
    (folder / FINISHED).unlink()
    for _ in range(2):
        times = iter(range(10_000))
        with pytest.raises(Stopped, match="state saved at step"):
            train(spec, results, watcher=Watcher(stop=lambda: next(times) >= asked))  # noqa: B023
        if asked > 12:
            break  # twice would be past the end
    told: list[str] = []
    train(spec, results, watcher=hearing(told))
    assert told[0].startswith("continuing at step")
    assert outcome(folder) == expected


def test_a_stop_in_a_validation_leaves_it_to_be_done(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = make_spec(**SETTINGS)
    folder, expected = trained(spec, results)
    asked = []

    def stop() -> bool:
        asked.append(sys._getframe(2).f_code.co_name)
        return asked.count("_parts") == 2  # of inference

    with pytest.raises(Stopped):
        train(spec, results, watcher=Watcher(stop=stop), fresh=True)
    assert asked[-1] == "_parts"
    (folder / FINISHED).unlink()
    assert len((folder / "history.jsonl").read_text().splitlines()) == 1
    train(spec, results)
    assert outcome(folder) == expected


def test_an_ended_training_is_not_done_again(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = make_spec(**SETTINGS)
    folder = results / "cells" / cell_name(spec)
    train(spec, results)
    record, receipt = folder / "train.json", folder / "receipts" / "train.json"
    before = record.read_bytes(), receipt.read_bytes()
    record.unlink()
    receipt.unlink()
    steps: list[int] = []
    real = loop._take_step
    monkeypatch.setattr(loop, "_take_step", lambda *a: steps.append(1) or real(*a))
    train(spec, results)
    assert not steps
    assert (record.read_bytes(), receipt.read_bytes()) == before
    next((folder / "checkpoints").glob("step-*")).write_bytes(b"other")
    train(spec, results)
    assert steps
    assert receipt.read_bytes() == before[1]
    steps.clear()
    train(spec, results, fresh=True)
    assert steps


def test_the_state_of_another_spec_is_ignored(tmp_path: Path) -> None:
    told: list[str] = []
    path = tmp_path / "resume.pt"
    assert load_state(path, "a", told.append) is None
    save_state(path, "a", {"step": 3})
    assert load_state(path, "a", told.append) == {"step": 3}
    assert not told
    assert load_state(path, "b", told.append) is None
    assert "another spec" in told[0]


@pytest.mark.parametrize("content", [b"", b"not a state", b"PK\x03\x04 cut off"])
def test_a_broken_state_is_ignored(tmp_path: Path, content: bytes) -> None:
    told: list[str] = []
    path = tmp_path / "resume.pt"
    path.write_bytes(content)
    assert load_state(path, "a", told.append) is None
    assert "cannot be read" in told[0]


class Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_a_state_runs_no_code(tmp_path: Path) -> None:
    path = tmp_path / "resume.pt"
    torch.save({"stamp": "a", "values": {"trap": Trap(tmp_path / "sprung")}}, path)
    assert load_state(path, "a", lambda line: None) is None
    assert not (tmp_path / "sprung").exists()
