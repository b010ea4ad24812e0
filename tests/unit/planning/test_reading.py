from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
import yaml

from transfergrid.commands.options import read_settings
from transfergrid.planning import reading
from transfergrid.planning.reading import parse_yaml, read_yaml
from transfergrid.planning.study import typed
from transfergrid.runtime.errors import UserError

REPEATED = "a: &a [1, 2, 3]\nb: &b [*a, *a]\nc: [*b, *b]\n"
"""3 + 6 + 12 numbers, 7 lists and a mapping with 3 keys, its aliases written out."""


def test_aliases_count_as_what_they_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    def values(value: object) -> int:
        if isinstance(value, dict):
            return 1 + sum(1 + values(item) for item in value.values())
        return 1 + sum(map(values, value)) if isinstance(value, list) else 1

    count = values(parse_yaml(REPEATED))
    monkeypatch.setattr(reading, "MOST_VALUES", count)
    assert parse_yaml(REPEATED)["c"] == [[[1, 2, 3]] * 2] * 2
    monkeypatch.setattr(reading, "MOST_VALUES", count - 1)
    with pytest.raises(UserError, match="line 3 brings it to more than"):
        parse_yaml(REPEATED)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a:\n  b: &x [1, *x]", "line 2 repeats \\*x within itself"),
        ("[" * 50 + "]" * 50, "line 1 is more than 40 mappings and lists deep"),
        (
            "a: 1\nb: " + "9" * 6000,
            "line 2 has 9{40}... \\(6000 characters\\), which cannot be read as a value",
        ),
        ("day: 2026-13-45", "line 1 has 2026-13-45, which cannot be read as a value"),
        ("a: 1\na: 2", "line 2 names the key 'a' a second time"),
        ("? [a]\n: 2", "line 1 has a mapping or a list for a key"),
        ("a: [", "not valid YAML"),
        ("a:\n  b: 1\n c: 2", "line 3, column 2: .*; see how this line"),
        ("a:\n  b: 1\n\tc: 2", "line 3, column 1: .*; indent with spaces, not with a tab"),
        ("a: 1\n---\nb: 2", "not valid YAML"),
    ],
)
def test_hostile_text_is_a_sentence(text: str, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        parse_yaml(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_a_study_is_a_regular_file_of_utf_8(tmp_path: Path) -> None:
    pipe, latin, large = tmp_path / "pipe", tmp_path / "latin", tmp_path / "large"
    os.mkfifo(pipe)
    latin.write_bytes("title: Röntgen".encode("latin-1"))
    with large.open("wb") as file:
        file.truncate(reading.MOST_BYTES + 1)
    said: dict[Path, str] = {}

    def read(path: Path) -> None:
        try:
            read_yaml(path)
        except UserError as error:
            said[path] = str(error)

    for path in (pipe, latin, large, tmp_path, Path("/dev/null")):
        thread = threading.Thread(target=read, args=[path], daemon=True)
        thread.start()
        thread.join(20)  # nobody writes into the pipe
    assert "a named pipe" in said[pipe]
    assert "UTF-8" in said[latin]
    assert "bytes, but at most" in said[large]
    assert "a folder" in said[tmp_path]
    assert "a device" in said[Path("/dev/null")]


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: x\n")
    assert read_yaml(path) == {"name": "x"}


def test_settings_of_the_command_line_are_bounded_alike() -> None:
    with pytest.raises(UserError, match=r"--config only= has '\[\[.*deep"):
        read_settings(["only=" + "[" * 50])
    assert typed({"title": "[" * 50, "seed": "9" * 6000})["title"] == "[" * 50


def test_plain_studies_are_what_yaml_says(tmp_path: Path) -> None:
    value = {"a": [1, 2.5, None, True, "x"], "b": {"c": {}}}
    path = tmp_path / "x.yaml"
    path.write_text(yaml.safe_dump(value))
    assert read_yaml(path) == value
