from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

import pytest

from transfergrid.planning import remembered
from transfergrid.planning.remembered import LARGE, remembered_sha256


@pytest.fixture()
def memory(tmp_path: Path) -> Path:
    (tmp_path / ".snakemake").mkdir()
    return tmp_path / ".snakemake" / "transfergrid" / "hashes"


@pytest.fixture()
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were hashed, each time; what one process remembers is left out."""
    found: list[Path] = []
    real = remembered.sha256_file

    def counted(path: str | Path) -> str:
        found.append(Path(path))
        return real(path)

    monkeypatch.setattr(remembered, "sha256_file", counted)
    monkeypatch.setattr(remembered, "_of_state", remembered._of_state.__wrapped__)
    return found


def large(path: Path, byte: bytes = b"a", size: int = LARGE) -> str:
    path.write_bytes(byte * size)
    return hashlib.sha256(byte * size).hexdigest()


def settle(monkeypatch: pytest.MonkeyPatch, seconds: float = 3600) -> None:
    """Let time pass."""
    later = time.time() + seconds
    monkeypatch.setattr(remembered.time, "time", lambda: later)


def test_a_settled_large_file_is_read_once(
    tmp_path: Path, memory: Path, read: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = large(tmp_path / "w.safetensors")
    settle(monkeypatch)
    digests = [remembered_sha256(tmp_path / "w.safetensors", memory) for _ in range(3)]
    assert digests == [expected] * 3
    assert read == [tmp_path / "w.safetensors"]


def test_a_rewrite_of_the_same_size_and_time_is_seen(
    tmp_path: Path, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "w.safetensors"
    large(path)
    settle(monkeypatch)
    remembered_sha256(path, memory)
    before = path.stat()
    expected = large(path, b"b")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_ino == before.st_ino
    assert remembered_sha256(path, memory) == expected


def test_another_file_of_the_same_name_size_and_time_is_seen(
    tmp_path: Path, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, other = tmp_path / "w.safetensors", tmp_path / "other"
    large(path)
    expected = large(other, b"b")
    settle(monkeypatch)
    remembered_sha256(path, memory)
    times = path.stat()
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    other.replace(path)
    assert remembered_sha256(path, memory) == expected


def test_of_a_file_that_just_changed_nothing_is_remembered(
    tmp_path: Path, memory: Path, read: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    large(tmp_path / "w")
    changed = (tmp_path / "w").stat().st_ctime
    monkeypatch.setattr(remembered.time, "time", lambda: changed + 1.9)
    for _ in range(2):
        remembered_sha256(tmp_path / "w", memory)
    assert len(read) == 2
    assert not memory.exists()


def test_of_a_file_that_changes_while_it_is_hashed_nothing_is_remembered(
    tmp_path: Path, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "w"
    large(path)
    settle(monkeypatch)

    def hash_and_change(path: str | Path) -> str:
        large(Path(path), b"b")
        return "0" * 64

    monkeypatch.setattr(remembered, "sha256_file", hash_and_change)
    remembered_sha256(path, memory)
    assert not memory.exists()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"sha256": "0"}'])
def test_a_broken_note_is_replaced(
    tmp_path: Path, memory: Path, read: list[Path], monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    expected = large(tmp_path / "w")
    settle(monkeypatch)
    remembered_sha256(tmp_path / "w", memory)
    (note,) = memory.iterdir()
    whole = note.read_text()
    note.write_text(text)
    assert remembered_sha256(tmp_path / "w", memory) == expected
    assert note.read_text() == whole
    assert json.loads(whole)["sha256"] == expected


def test_small_files_are_read_and_leave_nothing(
    tmp_path: Path, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = large(tmp_path / "labels.csv", size=LARGE - 1)
    settle(monkeypatch)
    assert remembered_sha256(tmp_path / "labels.csv", memory) == expected
    assert not memory.exists()


def test_nothing_is_written_where_snakemake_never_ran(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = large(tmp_path / "w")
    settle(monkeypatch)
    monkeypatch.chdir(tmp_path)
    assert remembered_sha256("w") == expected
    assert [path.name for path in tmp_path.iterdir()] == ["w"]
    (tmp_path / ".snakemake").write_text("a file: nothing can be written below it")
    assert remembered_sha256("w") == expected
