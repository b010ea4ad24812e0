"""Files and folders appear whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from transfergrid.runtime import atomic
from transfergrid.runtime.errors import UserError


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o022, 0o027, 0o002])
def umask(request: pytest.FixtureRequest):
    before = os.umask(request.param)
    yield request.param
    assert os.umask(before) == request.param, "the umask of the process was changed"


@pytest.mark.parametrize("new", [b"", b"new", bytes(range(256)) * 100])
def test_bytes_replace_the_old_file(tmp_path, new):
    path = tmp_path / "made" / "on the way" / "file.bin"
    atomic.write_bytes(path, b"an older and longer content")
    atomic.write_bytes(path, new)
    assert path.read_bytes() == new
    assert os.listdir(path.parent) == ["file.bin"]


def test_text_is_utf8_and_keeps_line_ends(tmp_path):
    atomic.write_text(tmp_path / "a.txt", "é\r\n×\n")
    assert (tmp_path / "a.txt").read_bytes() == b"\xc3\xa9\r\n\xc3\x97\n"


def test_json_is_sorted_and_ends_in_a_newline(tmp_path):
    path = tmp_path / "a.json"
    atomic.write_json(path, {"b": [1, 0.5, None], "a": {"d": True, "c": "x"}})
    assert path.read_text() == json.dumps(json.loads(path.read_text()), indent=1) + "\n"
    assert list(json.loads(path.read_text())) == ["a", "b"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
def test_what_json_cannot_say_leaves_the_old_file(tmp_path, value):
    path = tmp_path / "a.json"
    atomic.write_json(path, {"old": 1})
    with pytest.raises((ValueError, TypeError)):
        atomic.write_json(path, {"bad": value})
    assert json.loads(path.read_text()) == {"old": 1}
    assert os.listdir(tmp_path) == ["a.json"]


def test_an_exception_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(OSError, match="no space"), atomic.replacing(path) as temporary:
        temporary.write_text("half")
        assert path.read_text() == "old"
        raise OSError("no space left on device")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_an_exception_leaves_no_new_file(tmp_path):
    with pytest.raises(KeyboardInterrupt), atomic.replacing(tmp_path / "a.txt"):
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []


def test_the_temporary_file_is_beside_and_ends_like_the_path(tmp_path):
    path = tmp_path / "scores.npz"
    with atomic.replacing(path) as temporary:
        assert temporary.parent == path.parent
        np.savez(temporary, x=np.arange(3))  # appends .npz to any other name
    assert np.load(path)["x"].tolist() == [0, 1, 2]
    assert os.listdir(tmp_path) == ["scores.npz"]


def test_the_longest_name_that_a_file_may_have(tmp_path):
    path = tmp_path / ("x" * 250 + ".json")
    atomic.write_text(path, "1")
    with atomic.replacing_directory(tmp_path / ("y" * 255)) as folder:
        (folder / "a").write_text("1")
    atomic_again = tmp_path / ("y" * 255)
    with atomic.replacing_directory(atomic_again) as folder:
        (folder / "a").write_text("2")
    assert path.read_text() == "1"
    assert (atomic_again / "a").read_text() == "2"


def test_files_and_folders_honour_the_umask(tmp_path, umask):
    atomic.write_text(tmp_path / "file", "x")
    with atomic.replacing_directory(tmp_path / "folder") as folder:
        (folder / "inside").write_text("x")
    assert mode(tmp_path / "file") == 0o666 & ~umask
    assert mode(tmp_path / "folder") == 0o777 & ~umask
    assert mode(tmp_path / "folder" / "inside") == 0o666 & ~umask


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch):
    """Record what is synced to disk and renamed, by inode and name, in order."""
    seen: list[tuple[str, object]] = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(descriptor: int) -> None:
        seen.append(("fsync", os.fstat(descriptor).st_ino))
        fsync(descriptor)

    def note_replace(source: Path, target: Path) -> None:
        seen.append(("replace", Path(target).name))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    return seen


def test_a_file_is_on_disk_before_its_name_is(tmp_path, calls):
    atomic.write_text(tmp_path / "a", "x")
    assert calls == [
        ("fsync", (tmp_path / "a").stat().st_ino),
        ("replace", "a"),
        ("fsync", tmp_path.stat().st_ino),
    ]


def test_a_folder_is_on_disk_before_its_name_is(tmp_path, calls):
    with atomic.replacing_directory(tmp_path / "a") as folder:
        (folder / "b").mkdir()
        (folder / "b" / "c").write_text("x")
        (folder / "d").write_text("x")
    whole = {path.stat().st_ino for path in [tmp_path / "a", *(tmp_path / "a").rglob("*")]}
    renamed = calls.index(("replace", "a"))
    assert {inode for _, inode in calls[:renamed]} == whole
    assert calls[renamed + 1 :] == [("fsync", tmp_path.stat().st_ino)]


def test_a_folder_replaces_the_older_one_whole(tmp_path):
    path = tmp_path / "cache"
    for names in (["a", "b"], ["b", "c"]):
        with atomic.replacing_directory(path) as folder:
            for name in names:
                (folder / name).write_text(name)
    assert sorted(os.listdir(path)) == ["b", "c"]
    assert os.listdir(tmp_path) == ["cache"]


def test_an_exception_leaves_the_old_folder(tmp_path):
    path = tmp_path / "cache"
    path.mkdir()
    (path / "old").write_text("old")
    with pytest.raises(RuntimeError), atomic.replacing_directory(path) as folder:
        (folder / "new").write_text("new")
        raise RuntimeError
    assert os.listdir(path) == ["old"]
    assert os.listdir(tmp_path) == ["cache"]


def test_a_failed_rename_puts_the_old_folder_back(tmp_path, monkeypatch):
    path = tmp_path / "cache"
    path.mkdir()
    (path / "old").write_text("old")
    replace = os.replace

    def refuse_the_new(source: Path, target: Path) -> None:
        if Path(target) == path and not str(source).endswith(".old"):
            raise OSError("refused")
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse_the_new)
    with (
        pytest.raises(OSError, match="refused"),
        atomic.replacing_directory(path) as folder,
    ):
        (folder / "new").write_text("new")
    assert os.listdir(path) == ["old"]
    assert os.listdir(tmp_path) == ["cache"]


def test_a_folder_never_takes_the_place_of_a_file(tmp_path):
    (tmp_path / "a").write_text("a file")
    with pytest.raises(NotADirectoryError), atomic.replacing_directory(tmp_path / "a"):
        pass
    assert (tmp_path / "a").read_text() == "a file"
    assert os.listdir(tmp_path) == ["a"]


class SafetensorError(Exception):
    """Stands for safetensors' own, which is no OSError and has no number."""


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        SafetensorError("I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_told_in_a_sentence(tmp_path, error):
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")
    sentence = r"no space left to write .*{}; free some"
    with pytest.raises(UserError, match=sentence.format("bin")), atomic.replacing(path):
        raise error
    folder = tmp_path / "folder"
    with pytest.raises(UserError, match=sentence.format("folder")):  # noqa: SIM117
        with atomic.replacing_directory(folder):
            raise error
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file.bin"]


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOTEMPTY, "Not empty"), OSError("131056 written"), RuntimeError("bug")],
)
def test_other_errors_stay_what_they_are(tmp_path, error):
    with pytest.raises(type(error), match=str(error.args[-1])), atomic.replacing(tmp_path / "file"):
        raise error


@pytest.mark.parametrize("error", [OSError("1000000 requested and 131056 written"), RuntimeError()])
def test_an_error_without_a_number_on_a_full_disk_is_the_disks(tmp_path, monkeypatch, error):
    full = shutil._ntuple_diskusage(100, 100, 0)
    monkeypatch.setattr(atomic.shutil, "disk_usage", lambda folder: full)
    with pytest.raises(UserError, match="no space left"), atomic.replacing(tmp_path / "file"):
        raise error
    with pytest.raises(KeyError), atomic.replacing(tmp_path / "file"):
        raise KeyError("a bug")


def test_litter_is_removed_under_its_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a writer which has just made it, and waits to lock it, finds that it is gone."""
    litter = tmp_path / ".tmp-0123456789abcdef-a.json"
    litter.write_text("{")
    removed = []

    def remove(path: Path, remove: Callable[[Path], None] = atomic.remove_aside) -> None:
        if path == litter:
            with open(path) as file, pytest.raises(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            removed.append(path)
        remove(path)

    monkeypatch.setattr(atomic, "remove_aside", remove)
    atomic.write_text(tmp_path / "a.json", "{}")
    assert removed == [litter] and [path.name for path in tmp_path.iterdir()] == ["a.json"]
