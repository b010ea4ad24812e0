from __future__ import annotations

import io
import re

import pytest

from transfergrid.commands.remarks import Remark, show, summary

LONG = Remark("error", "data films", "a sentence " * 20 + "ends.", "mend --it " * 12)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_pipe_gets_a_line_a_finding_and_no_colour() -> None:
    stream = io.StringIO()
    show(LONG, stream)
    show(Remark("ok", "disk", "about 1 GB."), stream)
    lines = stream.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == ["error", "->", "ok"]
    assert "\x1b" not in stream.getvalue()
    # A third column that starts at the same place.
    words = ["a sentence", "->", "about"]
    assert {line.index(word) for line, word in zip(lines, words, strict=True)} == {22}


def test_a_terminal_gets_lines_that_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    show(LONG, stream)
    assert "\x1b[1" in stream.getvalue()
    text = re.sub("\x1b[^m]*m", "", stream.getvalue())
    assert len(text.splitlines()) > 4
    assert max(map(len, text.splitlines())) <= 80
    assert " ".join(text.split()) == " ".join(
        f"error data films {LONG.told} -> {LONG.mend}".split()
    )


def test_a_name_that_is_too_long_keeps_a_space() -> None:
    stream = io.StringIO()
    show(Remark("ok", "data a_long_name_indeed", "fine."), stream)
    assert stream.getvalue() == "ok       data a_long_name_indeed fine.\n"


@pytest.mark.parametrize(
    ("levels", "told"),
    [
        (["ok"], "All is well."),
        (["ok", "warning"], "1 warning."),
        (["error", "warning", "error"], "2 errors, 1 warning."),
    ],
)
def test_the_summary_counts(levels, told) -> None:
    assert summary([Remark(level, "", "") for level in levels]) == told


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_names_from_files_cannot_steer_a_terminal(stream: io.StringIO) -> None:
    show(Remark("warning", "data", "image \x1b]0;x\x07.png is dark.", "rm \x1b[2J"), stream)
    text = re.sub("\x1b\\[[0-9;]*m", "", stream.getvalue())  # its own colours
    assert "\x1b" not in text and "\x07" not in text
    assert "image \\x1b]0;x\\x07.png is dark." in text and "rm \\x1b[2J" in text
