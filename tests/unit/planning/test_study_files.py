"""Which files studies are in, and what a command line or an environment says of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from transfergrid.planning.study import location, study_files, typed
from transfergrid.runtime.errors import UserError


def test_numbers_in_nested_overrides_are_numbers() -> None:
    # Snakemake reads --config recipe='{epochs: 1}' as text all the way down.
    given = {"recipe": {"epochs": "1", "learning_rate": "1.0e-3"}, "only": {"seeds": ["0"]}}
    assert typed(given) == {
        "recipe": {"epochs": 1, "learning_rate": 0.001},
        "only": {"seeds": [0]},
    }
    assert typed({"name": "a: b"}) == {"name": "a: b"}


def test_study_files() -> None:
    assert study_files([], {}) == [Path("config.yaml")]
    assert study_files([Path("x.yaml")], {}) == [Path("x.yaml")]
    assert study_files([], {"studies": "a.yaml, b.yaml"}) == [Path("a.yaml"), Path("b.yaml")]
    assert study_files([], {"studies": ["a.yaml"]}) == [Path("a.yaml")]
    with pytest.raises(UserError, match="--config studies=a.yaml,b.yaml"):
        study_files([Path("a"), Path("b")], {})


def test_a_deployed_study_is_found_unless_there_is_one_beside(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    deployed = Path("config") / "config.yaml"
    deployed.parent.mkdir()
    deployed.touch()
    assert study_files([], {}) == [deployed]
    Path("config.yaml").touch()
    assert study_files([], {}) == [Path("config.yaml")]


def test_location_expands_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILMS", "/data/films")
    assert location("${FILMS}/x", "root") == Path("/data/films/x")
    assert location("~/x", "root") == Path.home() / "x"
    monkeypatch.delenv("FILMS")
    with pytest.raises(UserError, match="FILMS is not set; export FILMS"):
        location("$FILMS", "root of data set 'a'")
    with pytest.raises(UserError, match="write \\$\\$"):
        location("a$ b", "root")
