"""Where cells stand, read from the files that their jobs leave."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfergrid.commands import live as module
from transfergrid.commands.live import (
    ROUND,
    SILENT,
    Cells,
    Told,
    error_line,
    is_alive,
    last_lines,
    last_score,
    read_told,
)
from transfergrid.planning.paths import cell_directory
from transfergrid.runtime.live import FILE
from transfergrid.runtime.live import Live as Account

CELL = "films-lcnet_050-random-drop0-finetune-seed0-0a1b2c3d"


def step(number: int, **changes: Any) -> dict[str, Any]:
    event = {"event": "step", "step": number, "steps": 400, "loss": 0.5}
    return {**event, "images_per_second": 100.0, "seconds_left": 40.0, **changes}


@pytest.fixture()
def folder(tmp_path: Path) -> Path:
    folder = cell_directory(CELL, tmp_path)
    (folder / "receipts").mkdir(parents=True)
    (folder / "logs").mkdir()
    return folder


def state(folder: Path) -> str:
    return Cells([CELL], folder.parents[1]).look()[CELL].state


@pytest.fixture()
def gone() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_job_is_told_by_its_own_account(folder: Path) -> None:
    before = time.time()
    account = Account(folder, "train")
    told = read_told(folder / FILE)
    assert told is not None
    assert (told.stage, told.pid, told.device, told.step) == ("train", os.getpid(), None, None)
    account.report({"event": "waiting", "message": "4 of 4 GPUs are in use"})
    told = read_told(folder / FILE)
    assert told is not None and told.waiting == "waiting: 4 of 4 GPUs are in use"
    account.report({"event": "waiting", "message": "waiting for a GPU: all are leased"})
    told = read_told(folder / FILE)
    assert told is not None and told.waiting == "waiting for a GPU: all are leased"
    account.report({"event": "device", "device": "NVIDIA H200", "lease": "GPU-1"})
    account.report(step(20))
    account.report(step(40, loss=None, seconds_left=36.0))
    told = read_told(folder / FILE)
    assert told is not None
    assert (told.device, told.waiting, told.step, told.steps) == ("NVIDIA H200", None, 40, 400)
    assert (told.loss, told.seconds_left) == (0.5, 36.0)  # no loss yet: the last one stands
    assert before <= told.began <= told.time <= time.time()
    assert told.ended is None
    with account.account() as end:
        end["status"] = "diverged"
    told = read_told(folder / FILE)
    assert told is not None and told.ended == "diverged"
    Account(folder, "evaluate")
    told = read_told(folder / FILE)
    assert told is not None and (told.stage, told.step, told.ended) == ("evaluate", None, None)


def test_of_a_long_file_the_two_ends_are_enough(folder: Path) -> None:
    account = Account(folder, "train")
    account.report({"event": "device", "device": "NVIDIA H200", "lease": None})
    with open(folder / FILE, "a") as file:
        for number in range(5000):
            file.write(json.dumps({"time": 10.0 + number, **step(number)}) + "\n")
    assert (folder / FILE).stat().st_size > 5 * module.HEAD
    told = read_told(folder / FILE)
    assert told is not None
    assert (told.device, told.step, told.time) == ("NVIDIA H200", 4999, 5009.0)
    assert len(module._ends(folder / FILE)) < 200


@given(st.integers(min_value=0), st.sampled_from([64, 300, 2**16]))
def test_a_file_cut_at_any_byte_tells_what_is_whole(
    tmp_path_factory: pytest.TempPathFactory, cut: int, head: int
) -> None:
    events = [{"event": "start", "stage": "train", "pid": 7, "host": "a", "time": 1.0}]
    events += [{**step(number), "time": 2.0 + number} for number in range(8)]
    whole = "".join(json.dumps(event) + "\n" for event in events).encode()
    kept = whole[: cut % (len(whole) + 1)]
    path = tmp_path_factory.mktemp("cut") / "progress.jsonl"
    path.write_bytes(kept)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "HEAD", head)
        told = read_told(path)
    complete = kept.count(b"\n") if head == 2**16 else None
    if complete is not None and complete != len(events):
        # The last line may be whole but for its line feed.
        assert (told is None) == (complete == 0 and not kept.endswith(b"}"))
        if complete > 1:
            assert told is not None and told.step in (complete - 2, complete - 1)
    assert told is None or told.pid == 7


@pytest.mark.parametrize("text", ["", "\n", "null\n[1]\n5\n", '{"event": "step", "step": 3}\n'])
def test_a_file_that_tells_of_no_start_tells_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "progress.jsonl").write_text(text)
    assert read_told(tmp_path / "progress.jsonl") is None
    assert read_told(tmp_path / "missing.jsonl") is None


def test_who_is_alive(gone: int) -> None:
    now, here = time.time(), platform.node()
    mine = Told("train", os.getpid(), here, began=now, time=now - 10 * SILENT)
    assert is_alive(mine, now)
    assert not is_alive(Told("train", gone, here, now, now), now)
    assert not is_alive(Told("train", 2**62, here, now, now), now)
    assert not is_alive(Told("train", os.getpid(), here, now, now, ended="finished"), now)
    assert is_alive(Told("train", gone, "elsewhere", now, now - SILENT + 1), now)
    assert not is_alive(Told("train", os.getpid(), "elsewhere", now, now - SILENT - 1), now)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system has no /proc")
def test_a_number_that_another_process_has_now_is_not_the_job() -> None:
    now = time.time()
    begun = module._process_start(os.getpid())
    assert begun is not None and abs(begun - now) < 24 * 3600
    before = Told("train", os.getpid(), platform.node(), began=begun - 100, time=now)
    assert not is_alive(before, now)


def test_the_states_of_a_cell(folder: Path, gone: int) -> None:
    assert state(folder) == "missing"
    account = Account(folder, "train")
    assert state(folder) == "running"
    lines = (folder / FILE).read_text()
    (folder / FILE).write_text(lines.replace(f'"pid": {os.getpid()}', f'"pid": {gone}'))
    assert state(folder) == "stopped"
    account.report({"event": "end", "status": "stopped"})
    assert state(folder) == "stopped"
    (folder / "train.json").write_text("{}")
    account.report({"event": "end", "status": "finished"})
    assert state(folder) == "trained"
    Account(folder, "evaluate")
    assert state(folder) == "running"
    for status in ("finished", "diverged"):
        (folder / "receipts" / "evaluate.json").write_text(json.dumps({"status": status}))
        account.report({"event": "end", "status": "finished"})
        assert state(folder) == status
    Account(folder, "train")  # forced: it runs again although its scores are there
    assert state(folder) == "running"


def test_a_trial_ends_with_its_training(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train.json").write_text('{"status": "diverged"}')
    assert state(folder) == "trained"
    assert Cells([CELL], folder.parents[1], [CELL]).look()[CELL].state == "diverged"
    (folder / "train.json").write_text('{"status": "finished"}')
    assert Cells([CELL], folder.parents[1], [CELL]).look()[CELL].state == "finished"


def test_a_failed_job_gives_the_last_line_of_its_log(folder: Path) -> None:
    (folder / "logs" / "train.log").write_text(
        "step 3/9\nTraceback (most recent call last):\n  ..."
    )
    account = Account(folder, "train")
    account.report({"event": "end", "status": "failed"})
    log = folder / "logs" / "train.log"
    log.write_text("Traceback (most recent call last):\nRuntimeError: no such\n luck\n")
    cell = Cells([CELL], folder.parents[1]).look()[CELL]
    assert (cell.state, cell.reason) == ("failed", "luck")
    log.write_text("")
    assert Cells([CELL], folder.parents[1]).look()[CELL].reason == "no reason was logged"


def test_a_job_that_failed_before_its_account_began(folder: Path) -> None:
    log = folder / "logs" / "train.log"
    log.write_text("error: the code of stage 'train' was edited.\n")
    cell = Cells([CELL], folder.parents[1]).look()[CELL]
    assert (cell.state, cell.reason) == ("failed", "error: the code of stage 'train' was edited.")
    # Of two logs, the later one tells.
    (folder / "logs" / "evaluate.log").write_text("")
    os.utime(log, (1, 1))
    assert state(folder) == "missing"


def test_a_stopped_job_has_not_failed_whatever_it_logged_last(folder: Path) -> None:
    account = Account(folder, "train")
    account.report({"event": "end", "status": "stopped"})
    (folder / "logs" / "train.log").write_text("ValueError: on the way out\n")
    assert state(folder) == "stopped"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", ""),
        ("step 3/9, loss 0.5\n", ""),
        ("a\nerror: it is so.\n\n", "error: it is so."),
        (
            "torch.OutOfMemoryError: CUDA out of memory",
            "torch.OutOfMemoryError: CUDA out of memory",
        ),
        ("KeyError: 'x'\nfinished: it went on\n", ""),
        ("the last Error: of words", ""),
        ("Traceback (most recent call last):\nValueError: two\nlines\n", "lines"),
    ],
)
def test_what_is_an_error(tmp_path: Path, text: str, error: str) -> None:
    (tmp_path / "a.log").write_text(text)
    assert error_line(tmp_path / "a.log") == error


def test_lines_of_a_log_are_plain_text(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(
        b"one\n 10%|\xe2\x96\x88 | 1/9\r 90%|# | 8/9\r\n\x1b[1;31mred\x1b[0m\x07 \xff\n\n"
    )
    assert last_lines(path) == ["one", "10%|█ | 1/9", "90%|# | 8/9", "red �"]
    path.write_text("x" * 9000 + "\nend\n")
    assert last_lines(path)[-1] == "end" and sum(map(len, last_lines(path))) < 5000
    assert last_lines(tmp_path / "missing.log") == []


def test_the_latest_validation_is_the_last_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    assert last_score(path) is None
    path.write_text('{"valid_score": 0.6}\n{"metric": "auroc", "valid_score": 0.75}\n{"valid_sc')
    assert last_score(path) == ("auroc", 0.75)
    path.write_text('{"valid_score": null}\n')
    assert last_score(path) is None


def test_what_has_not_changed_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{CELL[:-1]}{number}" for number in range(4)]
    for name in names:
        (cell_directory(name, tmp_path) / "logs").mkdir(parents=True)
        (cell_directory(name, tmp_path) / "receipts").mkdir()
    account = Account(cell_directory(names[0], tmp_path), "train")
    done = cell_directory(names[1], tmp_path)
    (done / "receipts" / "evaluate.json").write_text('{"status": "finished"}')
    cells = Cells(names, tmp_path)
    read: list[str] = []
    inner = module._cell_live
    monkeypatch.setattr(module, "_cell_live", lambda *a: read.append(a[0]) or inner(*a))
    now = time.time()
    cells.look(now)
    assert read == names
    for seconds in range(1, 5):
        cells.look(now + seconds)
    assert read == names
    account.report(step(5))
    assert cells.look(now + 5)[names[0]].told == read_told(account.path)
    assert read == [*names, names[0]]


def test_a_cell_at_rest_that_is_forced_is_seen_within_a_round(tmp_path: Path) -> None:
    names = [f"{CELL[:-2]}{number:02d}" for number in range(20)]
    for name in names:
        receipts = cell_directory(name, tmp_path) / "receipts"
        receipts.mkdir(parents=True)
        (receipts / "evaluate.json").write_text('{"status": "finished"}')
    cells, now = Cells(names, tmp_path), time.time()
    assert {cell.state for cell in cells.look(now).values()} == {"finished"}
    for name in names:
        Account(cell_directory(name, tmp_path), "train")
    seconds = 0
    while seconds < ROUND:
        seconds += 3
        seen = cells.look(now + seconds)
    assert {cell.state for cell in seen.values()} == {"running"}
