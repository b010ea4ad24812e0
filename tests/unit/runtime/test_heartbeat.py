"""Silent work gives a sign of life; work that speaks does not need one."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from transfergrid.runtime import heartbeat as module
from transfergrid.runtime.heartbeat import heartbeat


class Waits:
    """An event that is waited for a given number of times; `between` happens in each wait."""

    def __init__(self, times: int, between: Callable[[int], None]) -> None:
        self.times, self.between, self.count = times, between, 0

    def wait(self, seconds: float) -> bool:
        self.between(self.count)
        self.count += 1
        return self.count > self.times


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    now = SimpleNamespace(seconds=50.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now.seconds))
    return now


def beats(path: Path, clock: SimpleNamespace, times: int, speaks: Callable[[int], bool]) -> str:
    with open(path, "a") as log:

        def between(count: int) -> None:
            clock.seconds += 10
            if speaks(count):
                with open(path, "a") as other:  # a library, a child process
                    other.write("progress\n")

        module._beat("weights x", 10.0, log, None, Waits(times, between))  # type: ignore[arg-type]
    return path.read_text()


def test_a_silent_log_gets_a_line_each_time(tmp_path: Path, clock: SimpleNamespace) -> None:
    assert beats(tmp_path / "a.log", clock, 3, lambda _: False).splitlines() == [
        "weights x: 10 s so far",
        "weights x: 20 s so far",
        "weights x: 30 s so far",
    ]


def test_a_log_that_others_write_to_gets_none(tmp_path: Path, clock: SimpleNamespace) -> None:
    text = beats(tmp_path / "a.log", clock, 4, lambda count: count < 2)
    assert text.splitlines() == [
        "progress",
        "progress",
        "weights x: 30 s so far",
        "weights x: 40 s so far",
    ]


def test_a_stream_that_is_no_file_gets_every_line(clock: SimpleNamespace) -> None:
    stream = io.StringIO()

    def tick(count: int) -> None:
        clock.seconds += 7

    module._beat("page", 7.0, stream, None, Waits(2, tick))  # type: ignore[arg-type]
    assert stream.getvalue() == "page: 7 s so far\npage: 14 s so far\n"


def test_short_work_is_silent_and_leaves_no_thread() -> None:
    stream, before = io.StringIO(), threading.active_count()
    with pytest.raises(KeyError), heartbeat("page", stream=stream):
        raise KeyError
    assert stream.getvalue() == ""
    assert threading.active_count() == before


def test_it_beats_while_the_block_runs() -> None:
    came = threading.Event()

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            came.set()
            return super().write(text)

    stream = Stream()
    with heartbeat("page", every=0.01, stream=stream):
        assert came.wait(60)
    assert re.match(r"page: \d+ s so far\n", stream.getvalue())


def test_beats_can_go_elsewhere_and_then_come_whether_the_log_is_silent_or_not(
    tmp_path: Path, clock: SimpleNamespace
) -> None:
    told: list[str] = []
    with open(tmp_path / "log", "a") as log:

        def between(count: int) -> None:
            clock.seconds += 30
            log.write("busy\n")
            log.flush()

        module._beat("decoding", 30, log, told.append, Waits(2, between))  # type: ignore[arg-type]
    assert told == ["decoding: 30 s so far", "decoding: 60 s so far"]
    assert (tmp_path / "log").read_text() == "busy\n" * 3
