from __future__ import annotations

import os
from pathlib import Path

import pytest

from transfergrid.planning import rights
from transfergrid.planning.rights import closed_folders, rights_warning


@pytest.fixture
def closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> set[Path]:
    """Folders that the system refuses to write, whoever asks; a test adds to it."""
    monkeypatch.chdir(tmp_path)
    closed: set[Path] = set()
    real = os.access
    monkeypatch.setattr(
        rights.os,
        "access",
        lambda path, mode: real(path, mode) and Path(path).absolute() not in closed,
    )
    return closed


def test_a_folder_that_may_be_written_is_nothing_to_say(closed) -> None:
    Path("results/cells").mkdir(parents=True)
    assert closed_folders(Path("results")) == []
    assert rights_warning(Path("results")) is None


def test_the_folder_that_is_closed_is_named(closed, tmp_path) -> None:
    closed.add(tmp_path)  # results/ would be made in it
    assert closed_folders(Path("results")) == [str(tmp_path)]
    Path("results/cells").mkdir(parents=True)
    closed.clear()
    closed.add(tmp_path / "results" / "cells")
    told = rights_warning(Path("results"))
    assert told is not None
    assert told.startswith(
        "results/cells cannot be written: choose another folder with --directory"
    )
