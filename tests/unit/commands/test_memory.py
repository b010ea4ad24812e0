from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from snakemake.persistence.file import FilePersistence

from transfergrid.commands.memory import LARGEST_CHECKED, Memory


def snakemakes_name(folder: Path, path: str) -> Path:
    """Where Snakemake itself keeps a record."""
    store = FilePersistence.__new__(FilePersistence)
    store._max_len = None
    folder.mkdir(parents=True, exist_ok=True)
    return Path(store._record_path(str(folder), path))


@pytest.fixture()
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Memory:
    monkeypatch.chdir(tmp_path)
    Path("in").write_text("new")
    Path("out").write_text("made")
    os.utime("in", (20, 20))
    os.utime("out", (10, 10))
    return Memory()


def remember(path: str, checksums: dict[str, str]) -> None:
    record = snakemakes_name(Path(".snakemake/metadata"), path)
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps({"input_checksums": checksums}))


NEW = "sha256:" + hashlib.sha256(b"new").hexdigest()


def test_a_newer_input_counts(memory: Memory) -> None:
    assert memory.updated(["in"], ["out"]) == ["in"]
    os.utime("out", (20, 20))
    assert memory.updated(["in"], ["out"]) == []


def test_a_newer_input_of_the_recorded_content_does_not_count(memory: Memory) -> None:
    remember("out", {"in": NEW})
    assert memory.updated(["in"], ["out"]) == []
    remember("out", {"in": NEW.removeprefix("sha256:")})  # an older form of the record
    assert memory.updated(["in"], ["out"]) == []
    remember("out", {"in": NEW[:-1] + "x"})
    assert memory.updated(["in"], ["out"]) == ["in"]


def test_every_output_must_have_the_record(memory: Memory) -> None:
    Path("out2").write_text("made")
    remember("out", {"in": NEW})
    assert memory.updated(["in"], ["out", "out2"]) == ["in"]


def test_the_content_of_a_large_input_is_not_compared(memory: Memory) -> None:
    Path("in").write_bytes(bytes(LARGEST_CHECKED + 1))
    remember("out", {"in": "sha256:" + hashlib.sha256(bytes(LARGEST_CHECKED + 1)).hexdigest()})
    assert memory.updated(["in"], ["out"]) == ["in"]


def test_a_missing_input_or_output_is_not_newer(memory: Memory) -> None:
    assert memory.updated(["none"], ["out"]) == []
    assert memory.updated(["in"], ["none"]) == []


def test_what_a_run_removes_meanwhile_is_as_if_it_had_been_gone(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os.path, "exists", lambda path: True)  # it was, and is no more
        assert memory.updated(["in", "none"], ["out", "none"]) == ["in"]

    def removed(path: str) -> str:
        os.unlink(path)
        raise FileNotFoundError(path)

    monkeypatch.setattr("transfergrid.commands.memory.sha256_file", removed)
    assert memory.updated(["in"], ["out"]) == []


@pytest.mark.parametrize("length", [3, 100, 191, 192, 200, 400])
def test_records_are_found_where_snakemake_puts_them(
    length: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    parts = ["x" * 80] * (length // 81) + ["y" * (length % 81 or 1)]
    path = Path(*parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("half")
    marker = snakemakes_name(Path(".snakemake/incomplete"), str(path))
    assert not Memory().incomplete(str(path))
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.write_text("{}")
    assert Memory().incomplete(str(path))
    path.unlink()
    assert not Memory().incomplete(str(path))


def test_locked_files_are_those_of_all_lock_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Memory().locked == frozenset()
    locks = Path(".snakemake/locks")
    locks.mkdir(parents=True)
    (locks / "0.input.lock").write_text("a\nb\n")
    (locks / "0.output.lock").write_text("c\n")
    assert Memory().locked == {"a", "b", "c"}
