"""What `transfergrid watch` shows, and that it leaves no trace."""

from __future__ import annotations

import os
import pty
import signal
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from transfergrid.commands.live import CellLive, Told
from transfergrid.commands.main import main
from transfergrid.commands.steps import Step
from transfergrid.commands.watch import watcher
from transfergrid.commands.watch_view import Frame, StudyFrame, bar, duration, lines
from transfergrid.planning.cell_names import place_of
from transfergrid.planning.outputs import of_study
from transfergrid.planning.paths import PROJECT, cell_directory
from transfergrid.planning.plan import Plan, plan_run
from transfergrid.runtime.live import Live as Account

STUDY = PROJECT / "config.yaml"


def cell(number: int, state: str, told: Told | None = None, reason: str = "") -> CellLive:
    name = f"films-tf_efficientnet_lite0-imagenet-drop0-brief-seed{number}-{number:08x}"
    return CellLive(name, state, told, ("AUROC", 0.7831) if told else None, reason)


def job(began: float, step: int = 120, **changes: object) -> Told:
    values = {"device": "NVIDIA H200", "loss": 0.41, "images_per_second": 812.3}
    values |= {"step": step, "steps": 400, "seconds_left": 35.0}
    return Told("train", 7, "node", began, began + 5, **{**values, **changes})  # type: ignore[arg-type]


def frame_of(cells: list[CellLive], steps: list[Step] | None = None) -> Frame:
    return Frame([StudyFrame("demo", cells, 7300.0)], steps or [], True, "results")


MIXED = frame_of(
    [
        cell(0, "finished"),
        cell(1, "diverged"),
        cell(2, "running", job(200.0)),
        cell(3, "running", job(100.0, step=399)),
        cell(4, "running", job(300.0, waiting="waiting for a GPU: all 4 are leased")),
        cell(5, "running", Told("evaluate", 7, "node", 400.0, 400.0)),
        cell(6, "failed", reason="torch.OutOfMemoryError: CUDA [bold]out[/] of memory"),
        cell(7, "stopped"),
        cell(8, "trained"),
        *(cell(number, "missing") for number in range(9, 20)),
    ],
    [Step("data films-12", "decoding films 12000/223414 (5%), 811/s, 260 s left", False)],
)


def test_a_frame_counts_every_cell_once() -> None:
    text = lines(MIXED).plain.splitlines()
    assert text[0] == ("demo  1 diverged, 1 failed, 4 running, 1 stopped, 1 to be scored, 11 to go")
    assert text[1].endswith("  2 of 20 cells done, about 2 h 02 min left")
    assert text[1].count("━") == pytest.approx(
        0.1 * (text[1].count("━") + text[1].count("─")), abs=1
    )


def test_running_cells_stand_in_the_order_in_which_they_began() -> None:
    text = lines(MIXED).plain
    places = [text.index(f"seed{number} ") for number in (3, 2, 4, 5)]
    assert places == sorted(places)
    assert "     399/400  loss 0.4100  AUROC 0.783    812 img/s  35 s left" in text
    assert "waiting for a GPU: all 4 are leased" in text
    assert "scoring\n  starting" in text
    assert "data films-12  decoding films 12000/223414 (5%), 811/s, 260 s left" in text
    assert "CUDA [bold]out[/] of memory" in text


def test_a_cell_is_shown_with_the_cell_in_whose_job_it_is_trained() -> None:
    ahead = frame_of([cell(0, "running", job(0.0, by=cell(1, "finished").cell))])
    text = lines(ahead).plain
    assert f"training, NVIDIA H200, in the job of {place_of(cell(1, 'finished').cell)}" in text


@given(st.integers(20, 150), st.integers(6, 60), st.booleans())
def test_a_frame_fits_into_its_terminal(width: int, height: int, ascii_only: bool) -> None:
    text = lines(MIXED, width, height, ascii_only).plain
    assert len(text.splitlines()) <= height
    assert max(map(cell_len, text.splitlines())) <= width
    assert text.isascii() or not ascii_only


def test_what_does_not_fit_is_counted() -> None:
    many = frame_of([cell(number, "running", job(number)) for number in range(50)])
    text = lines(many, 80, 24).plain
    shown = text.count("NVIDIA H200")
    assert shown > 5
    assert f"and {50 - shown} more running cells" in text
    assert "more running cells" not in lines(many).plain
    broken = frame_of([cell(number, "failed", reason="error: x.") for number in range(9)])
    assert "and 4 more failed cells" in lines(broken).plain


def test_when_nothing_runs_the_frame_says_so() -> None:
    assert "No job is at work." in lines(frame_of([cell(0, "missing")])).plain
    done = lines(frame_of([cell(0, "finished")])).plain
    assert "Every cell is done" in done and "left" not in done
    busy = frame_of([cell(0, "finished")], [Step("demo tables", "bootstrap 3/9", False)])
    assert "no job" not in lines(busy).plain.lower()


def test_a_study_is_done_when_its_page_is(demo: Plan, tmp_path: Path) -> None:
    (name,) = demo.studies
    for cell in demo.cells:
        receipt = cell_directory(cell, tmp_path) / "receipts" / "evaluate.json"
        receipt.parent.mkdir(parents=True)
        receipt.write_text('{"status": "finished"}')
    marks = [made.mark for made in of_study(demo.studies[name], tmp_path) if made.mark]
    assert f"{name}/receipts/report.json" in marks
    look = watcher(demo, tmp_path)
    for left in range(len(marks), 0, -1):
        head = lines(look()).plain.splitlines()[0]
        assert head == f"{name}  all cells done, {left} later job(s) to go"
        path = tmp_path / marks[left - 1]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert lines(look()).plain.splitlines()[0] == f"{name}  all done"


@given(st.floats(-1, 2), st.integers(0, 80))
def test_a_bar_is_as_full_as_its_share(share: float, width: int) -> None:
    text = bar(share, width).plain
    assert len(text) == width
    assert abs(text.count("━") - min(max(share, 0), 1) * width) < 1


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "0 s"),
        (89, "89 s"),
        (91, "2 min"),
        (3540, "59 min"),
        (7500, "2 h 05 min"),
        (86400 * 3 + 3600 * 4, "3 d 04 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.fixture(scope="module")
def demo() -> Plan:
    return plan_run([STUDY], {})


def test_the_files_of_a_run_become_a_frame(demo: Plan, tmp_path: Path) -> None:
    names = list(demo.cells)
    results = tmp_path / "results"
    look = watcher(demo, results)
    assert not look().begun
    done = cell_directory(names[0], results)
    (done / "receipts").mkdir(parents=True)
    (done / "receipts" / "evaluate.json").write_text('{"status": "finished"}')
    (done / "train.json").write_text('{"train_seconds": 100.0}')
    account = Account(cell_directory(names[1], results), "train")
    account.report(
        {"event": "step", "step": 5, "steps": 9, "loss": 0.5}
        | {"images_per_second": 80.0, "seconds_left": 60.0}
    )
    text = lines(look()).plain
    assert f"1 of {len(names)} cells done, about" in text
    assert f"1 running, {len(names) - 2} to go" in text
    assert "5/9  loss 0.5000" in text
    account.report({"event": "end", "status": "failed"})
    (account.path.parent / "train.log").write_text("error: no.\n")
    text = lines(look()).plain
    assert "error: no." in text and "running" not in text


def test_once_prints_a_plain_frame_and_leaves_no_trace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "results" / "cells").mkdir(parents=True)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert main(["watch", str(STUDY), "--once", "--directory", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "demo  " in text and " to go" in text and "\x1b" not in text
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_without_results_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", str(STUDY), "--once", "--directory", str(tmp_path)]) == 0
    assert capsys.readouterr().out == (
        f"No results yet: {tmp_path}/results is made when snakemake begins.\n"
    )


@pytest.mark.parametrize("interval", ["0", "-3", "nan", "1e9"])
def test_a_senseless_interval_is_refused(interval: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", str(STUDY), "--interval", interval]) == 1
    assert "seconds between 0.1 and 3600" in capsys.readouterr().err


def test_ctrl_c_leaves_quietly(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    process, terminal = pty.fork()
    if process == 0:  # pragma: no cover
        # A shell has what it runs in the background ignore it.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        words = ["-m", "transfergrid.commands.main", "watch", str(STUDY), "--directory"]
        environment = {**os.environ, "TERM": "xterm", "PYTHONPATH": str(PROJECT / "src")}
        os.execve(sys.executable, [sys.executable, *words, str(tmp_path)], environment)
    text, asked, end = b"", False, time.monotonic() + 120
    while time.monotonic() < end:
        try:
            text += os.read(terminal, 4096)
        except OSError:  # the other side has closed
            break
        if b"cells done" in text and not asked:
            os.write(terminal, b"\x03")
            asked = True
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    assert asked and b"Traceback" not in text
