from __future__ import annotations

import argparse
from pathlib import Path

import pytest

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
