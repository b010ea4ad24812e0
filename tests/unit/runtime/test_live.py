from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from transfergrid.runtime.errors import Stopped
from transfergrid.runtime.live import FILE, Live

STEP = {
    "event": "step",
    "step": 3,
    "steps": 9,
    "loss": 0.25,
    "images_per_second": 120.4,
    "seconds_left": 8.2,
}


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / FILE).read_text().splitlines()]


def test_events_are_lines_with_a_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = time.time()
    live = Live(tmp_path, "train")
    live.report(STEP)
    live.report({**STEP, "loss": None})
    live.report({**STEP, "seconds_left": None})
    live.report({"event": "note", "message": "only for the log"})
    start, step, no_loss, _ = lines(tmp_path)
    assert (start["event"], start["stage"], start["pid"]) == ("start", "train", os.getpid())
    assert before <= float(str(start["time"])) <= float(str(step["time"])) <= time.time()
    assert {key: step[key] for key in STEP} == STEP
    assert no_loss["loss"] is None
    assert capsys.readouterr().err == (
        "step 3/9, loss 0.2500, 120 images/s, 8 s left\n"
        "step 3/9, 120 images/s, 8 s left\n"
        "step 3, loss 0.2500, 120 images/s\n"
        "only for the log\n"
    )


def test_each_job_begins_anew(tmp_path: Path) -> None:
    Live(tmp_path, "train").report(STEP)
    Live(tmp_path, "evaluate")
    assert [line["stage"] for line in lines(tmp_path)] == ["evaluate"]


@pytest.mark.parametrize(
    ("error", "status"), [(None, "diverged"), (ValueError, "failed"), (Stopped, "stopped")]
)
def test_the_end_is_told_however_it_comes(
    tmp_path: Path, error: type[Exception] | None, status: str
) -> None:
    live = Live(tmp_path, "train")
    try:
        with live.account() as end:
            if error:
                raise error
            end["status"] = "diverged"
    except (ValueError, Stopped) as raised:
        assert type(raised) is error
    assert lines(tmp_path)[-1]["status"] == status


def test_what_cannot_be_written_is_left_out(tmp_path: Path) -> None:
    live = Live(tmp_path, "train")
    live.report({**STEP, "images_per_second": float("inf")})
    live.path.unlink()
    live.path.mkdir()
    live.report(STEP)
    live.path.rmdir()
    live.report(STEP)
    assert [line["event"] for line in lines(tmp_path)] == ["step"]
