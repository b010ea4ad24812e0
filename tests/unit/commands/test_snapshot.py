"""What `transfergrid snapshot` says of cells that have no result."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from transfergrid.commands import compose
from transfergrid.commands.live import CellLive, Told
from transfergrid.commands.main import main
from transfergrid.commands.snapshot import standing, status_of, take_snapshot
from transfergrid.planning.paths import PROJECT
from transfergrid.runtime.errors import UserError

STUDY = str(PROJECT / "config.yaml")
TOLD = Told("train", 1, "node", 0.0, 0.0, step=3, steps=9)


@pytest.mark.parametrize(
    ("cell", "status", "text"),
    [
        (CellLive("a", "missing"), "missing", "not begun"),
        (CellLive("a", "running", TOLD), "running", "in training, step 3 of 9"),
        (
            CellLive("a", "running", Told("evaluate", 1, "node", 0.0, 0.0)),
            "running",
            "being scored",
        ),
        (
            CellLive("a", "running", Told("train", 1, "n", 0.0, 0.0, waiting="waiting for a GPU")),
            "running",
            "waiting for a GPU",
        ),
        (CellLive("a", "failed", TOLD, reason="error: so."), "failed", "error: so."),
        (
            CellLive("a", "stopped", TOLD),
            "stopped",
            "ended before its time, step 3 of 9; the next run goes on",
        ),
        (
            CellLive("a", "trained", Told("train", 1, "n", 0.0, 0.0, ended="finished")),
            "not scored yet",
            "its checkpoints are to be scored",
        ),
        (
            CellLive("a", "trained", Told("train", 1, "n", 0.0, 0.0, ended="diverged")),
            "diverged",
            "its training diverged; the scores do not record that yet",
        ),
    ],
)
def test_where_a_cell_stands_in_words(cell: CellLive, status: str, text: str) -> None:
    assert (status_of(cell), standing(cell)) == (status, text)


def test_without_a_finished_cell_it_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "nice", lambda _: 0)
    assert main(["snapshot", STUDY, "--directory", str(tmp_path)]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == (
        "error: study 'demo' has no finished cell yet (22 missing); take the snapshot once the "
        "first one is scored.\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("threads", ["0", "-2"])
def test_threads_are_a_whole_number(threads: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["snapshot", STUDY, "--threads", threads]) == 1
    assert "whole number, at least 1" in capsys.readouterr().err


@pytest.fixture()
def study() -> Any:
    return SimpleNamespace(name="small", scored=[SimpleNamespace(name="a")], targets=[], stamps={})


LIVE = {"a": CellLive("a", "finished")}


def write(text: str) -> Any:
    def composed(*arguments: Any) -> int:
        (arguments[4] / "report.html").write_text(text)
        return 1

    return composed


def test_a_new_snapshot_takes_the_place_of_the_old_one_or_nothing_happens(
    study: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "small" / "snapshot" / "report.html"
    for text in ("first", "second"):
        monkeypatch.setattr(compose, "compose", write(text))
        take_snapshot(study, LIVE, tmp_path)
        assert page.read_text() == text

    def broken(*arguments: Any) -> int:
        write("half")(*arguments)
        raise UserError("a file of a cell is broken")

    monkeypatch.setattr(compose, "compose", broken)
    with pytest.raises(UserError, match="is broken"):
        take_snapshot(study, LIVE, tmp_path)
    assert page.read_text() == "second"
    assert [path.name for path in (tmp_path / "small").iterdir()] == ["snapshot"]


def test_a_snapshot_is_made_by_the_code_that_planned_it(study: Any, tmp_path: Path) -> None:
    study.stamps = {"cells": ("small.cells.00000000", {"code": "0" * 16})}
    with pytest.raises(UserError, match="the code of stage 'cells' was edited"):
        take_snapshot(study, LIVE, tmp_path)
    assert not list(tmp_path.iterdir())


def test_of_two_snapshots_at_once_one_stands(
    study: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(*arguments: Any) -> int:
        write("slow")(*arguments)
        raise OSError(errno.ENOTEMPTY, "Directory not empty")

    monkeypatch.setattr(compose, "compose", overtaken)
    with pytest.raises(UserError, match="at the same moment"):
        take_snapshot(study, LIVE, tmp_path)
