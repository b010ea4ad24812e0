from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from unit.data.leaky_study import leaky

from transfergrid.commands.main import main
from transfergrid.commands.options import add_study_arguments, in_directory, plan_of, read_settings
from transfergrid.planning.paths import PROJECT
from transfergrid.runtime.errors import UserError


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_study_arguments(parser)
    return parser.parse_args(words)


def test_settings_are_yaml() -> None:
    settings = read_settings(["only={seeds: [0]}", "device=cpu"])
    assert settings == {"only": {"seeds": [0]}, "device": "cpu"}


@pytest.mark.parametrize("pair", ["device", "=cpu"])
def test_a_setting_without_a_value_is_refused(pair: str) -> None:
    with pytest.raises(UserError, match="KEY=VALUE"):
        read_settings([pair])


def test_studies_are_found_from_where_the_command_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(PROJECT)
    arguments = parsed("config.yaml", "--config", "only={seeds: [0]}", "--directory", str(tmp_path))
    with in_directory(arguments.directory):
        plan = plan_of(arguments)
    assert {cell.point.seed for cell in plan.studies["demo"].targets} == {0}


def test_a_directory_must_exist(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a folder"), in_directory(tmp_path / "missing"):
        pass


@pytest.mark.parametrize(
    "words",
    [("export", "--to", "csv"), ("archive", "--ids", "films"), ("archive", "--release", "a-cell")],
)
def test_a_study_behind_an_option_of_several_words_is_not_taken_for_one(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([*words, "mine.yaml"])
    told = capsys.readouterr().err
    assert f"argument {words[1]}: 'mine.yaml' is taken for one of its words; name studies" in told


@pytest.mark.parametrize("out", ["taken", "taken/below"])
def test_a_file_where_a_folder_has_to_be_is_named(
    out: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    leaky(tmp_path)
    Path("taken").write_text("kept")
    assert main(["data", "study.yaml", "--films", "0", "--out", out]) == 1
    assert "error: taken is a file, and a folder would have to be" in capsys.readouterr().err
    assert Path("taken").read_text() == "kept"
