"""Progress is a pass-through that reports now and then."""

from __future__ import annotations

import io
import re
from types import SimpleNamespace

import pytest

from transfergrid.runtime import progress as module
from transfergrid.runtime.progress import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch):
    """A clock that moves only when a test moves it."""
    now = SimpleNamespace(seconds=100.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now.seconds))
    return now


def run(clock, seconds_each: float, total: int, stream: io.StringIO, **options) -> list[int]:
    seen = []
    for item in progress(range(total), total, "train", stream=stream, **options):
        seen.append(item)
        clock.seconds += seconds_each
    return seen


def test_short_work_prints_nothing(clock):
    stream = io.StringIO()
    assert run(clock, 0.1, 40, stream) == list(range(40))
    assert stream.getvalue() == ""


def test_a_log_gets_a_line_every_five_seconds_and_one_at_the_end(clock):
    stream = io.StringIO()
    assert run(clock, 0.5, 24, stream) == list(range(24))
    assert stream.getvalue().splitlines() == [
        "train 10/24 (42%), 2/s, 7 s left",
        "train 20/24 (83%), 2/s, 2 s left",
        "train 24/24 in 12 s",
    ]


def test_an_item_may_count_for_several(clock):
    stream = io.StringIO()
    for _ in progress(["a" * 30, "b" * 30], 60, "read", stream=stream, size=len):
        clock.seconds += 6.0
    assert stream.getvalue().splitlines() == [
        "read 30/60 (50%), 5/s, 6 s left",
        "read 60/60 in 12 s",
    ]


def test_a_terminal_rewrites_one_line(clock):
    stream = Terminal()
    run(clock, 1.0, 8, stream)
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert text.endswith("\rtrain 8/8 in 8 s\x1b[K\n")
    # The first report comes after five seconds, the others as the work goes on.
    assert re.findall(r"\rtrain (\d)/8 \(", text) == ["5", "6", "7"]


@pytest.mark.parametrize(
    ("seconds_each", "speed"), [(0.0004, "2500/s"), (0.03, "33.3/s"), (7.0, "0.143/s")]
)
def test_speed_is_readable_at_every_scale(clock, seconds_each, speed):
    stream = io.StringIO()
    run(clock, seconds_each, round(6 / seconds_each) + 3, stream)
    assert stream.getvalue().splitlines()[0].split(", ")[1] == speed


def test_a_loop_left_early_ends_its_line_with_the_true_count(clock):
    stream = Terminal()
    with pytest.raises(RuntimeError):
        for item in progress(range(100), 100, "train", stream=stream):
            clock.seconds += 1
            if item == 12:
                raise RuntimeError
    assert stream.getvalue().endswith("\rtrain 12/100 in 13 s\x1b[K\n")


@pytest.mark.parametrize("total", [0, 3])
def test_a_wrong_total_does_not_stop_the_work(clock, total):
    stream = io.StringIO()
    seen = []
    for item in progress(iter("abcdef"), total, "read", stream=stream, every=2.0):
        seen.append(item)
        clock.seconds += 1
    assert seen == list("abcdef")
    lines = stream.getvalue().splitlines()
    assert lines[-1] == f"read 6/{total} in 6 s"
    assert not any("-" in line for line in lines)


def test_a_standing_clock_does_no_harm(clock):
    stream = io.StringIO()
    assert run(clock, 0.0, 3, stream, every=0.0) == [0, 1, 2]


def test_items_are_drawn_one_at_a_time():
    drawn = []

    def source():
        for i in range(3):
            drawn.append(i)
            yield i

    reader = progress(source(), 3, "read", stream=io.StringIO())
    assert drawn == []
    assert next(reader) == 0
    assert drawn == [0]


def test_the_default_is_standard_error(clock, capsys):
    for _ in progress(range(2), 2, "train", every=0.5):
        clock.seconds += 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "train 1/2 (50%), 1/s, 1 s left\ntrain 2/2 in 2 s\n"
