from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from unit.commands import made_up_results as made

from transfergrid.commands import disposable, prune
from transfergrid.commands.main import main

RESULTS = Path("results")


@pytest.fixture(autouse=True)
def finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made.finish(made.plan(tmp_path), RESULTS)


def listing() -> set[Path]:
    return set(RESULTS.rglob("*"))


def test_without_delete_nothing_is_removed(capsys: pytest.CaptureFixture[str]) -> None:
    before = listing()
    made.plan(Path(), {"datasets": {"films": {"patients": 70}}})
    assert main(["prune", "study.yaml"]) == 0
    assert main(["prune", "study.yaml", "--checkpoints"]) == 0
    assert listing() == before
    text = capsys.readouterr().out
    assert "4 cells, 1 cache, 1 note" in text and "Nothing was removed; --delete" in text


def test_delete_removes_and_says_what(capsys: pytest.CaptureFixture[str]) -> None:
    made.plan(Path(), {"datasets": {"films": {"patients": 70}}})
    assert main(["prune", "study.yaml", "--delete"]) == 0
    text = capsys.readouterr().out
    assert text.count("removed: cell ") == 4 and "Removed 4 cells, 1 cache, 1 note" in text
    assert len(list((RESULTS / "cells").iterdir())) == 1
    assert main(["prune", "study.yaml"]) == 0
    assert capsys.readouterr().out == "Nothing can go.\n"


def test_cells_of_a_study_that_was_not_given_are_pointed_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    made.plan(Path(), {"name": "other", "datasets": {"films": {"patients": 70}}}, "other.yaml")
    assert main(["prune", "other.yaml"]) == 0
    assert "4 cells of these were last named by study small" in capsys.readouterr().out
    assert main(["prune", "other.yaml", "study.yaml"]) == 0
    assert capsys.readouterr().out == "Nothing can go.\n"


def test_folders_that_are_no_cells_are_pointed_out(capsys: pytest.CaptureFixture[str]) -> None:
    (RESULTS / "cells" / "notes").mkdir()
    assert main(["prune", "study.yaml"]) == 0
    assert "results/cells/notes is not the folder of a cell" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["study.yaml", "--directory", "nowhere"], "is not a folder"),
        (["nothing.yaml"], "cannot be read"),
        (["study.yaml", "--config", "recipe"], "KEY=VALUE"),
        (["study.yaml", "--config", "recipe={learning_rte: 1}"], "did you mean 'learning_rate'"),
    ],
)
def test_wrong_input_is_a_sentence(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = listing()
    assert main(["prune", *words, "--delete"]) == 1
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1
    assert listing() == before


def test_no_results_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["prune", "study.yaml", "--directory", "empty"]) == 1
    assert "results does not exist" in capsys.readouterr().err


def test_every_kind_of_thing_is_counted_in_words() -> None:
    kinds = [*disposable.ROOMS_OF_IDS, "cell", "ensemble"]
    told = prune._counted([SimpleNamespace(kind=kind) for kind in kinds * 2])  # type: ignore[misc]
    assert "2 measurements of cells" in told and "weighings" not in told
