from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import time
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest

from transfergrid.commands.checks_results import (
    Running,
    check_disk,
    check_killed,
    check_leftovers,
    check_mount,
    check_writable,
    running_in,
)

NOBODY = Running((), (), 0)
SLEEP = "import time; print(1, flush=True); time.sleep(100)"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def start() -> Iterator:
    children: list[subprocess.Popen[str]] = []

    def start(folder: Path, *words: str) -> int:
        child = subprocess.Popen(
            [sys.executable, *words], cwd=folder, stdout=subprocess.PIPE, text=True
        )
        children.append(child)
        assert child.stdout is not None
        child.stdout.readline()
        return child.pid

    yield start
    for child in children:
        child.kill()
        child.communicate()


def levels(remarks) -> list[str]:
    return [remark.level for remark in remarks]


def test_a_writable_folder_is_left_as_it_was(here) -> None:
    assert levels(check_writable(Path("results"))) == ["ok"]
    Path("results").mkdir()
    assert levels(check_writable(Path("results"))) == ["ok"]
    assert [path.name for path in here.rglob("*")] == ["results"]


def test_a_folder_that_cannot_be_written_is_an_error() -> None:
    (remark,) = check_writable(Path("/proc/results"))
    assert remark.level == "error"
    assert "/proc cannot be written" in remark.told


def test_a_file_system_without_locks_is_an_error(monkeypatch) -> None:
    def refuse(file: object, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    (remark,) = check_writable(Path("results"))
    assert remark.level == "error"
    assert "No locks available" in remark.told


@pytest.mark.parametrize(
    ("row", "count"),
    [
        ("server:/x /data nfs4 rw,vers=4.2,local_lock=none 0 0", 0),
        ("server:/x /data nfs rw,vers=3,local_lock=flock 0 0", 1),
        ("server:/x /data nfs rw,nolock 0 0", 1),
        ("lustre@tcp:/x /data lustre rw,localflock 0 0", 1),
        ("server:/x /data/other nfs rw,nolock 0 0", 0),
        ("server:/x /da nfs rw,nolock 0 0", 0),
    ],
)
def test_locks_that_other_machines_do_not_see_are_told(here, row, count) -> None:
    mounts = here / "mounts"
    mounts.write_text(f"/dev/vda / ext4 rw,nolock 0 0\n{row}\n")
    assert len(list(check_mount(Path("/data/study"), mounts))) == count


@pytest.mark.parametrize(("need", "level"), [(10, "ok"), (90, "warning"), (101, "error")])
def test_the_disk_that_is_needed_is_held_against_what_is_free(monkeypatch, need, level) -> None:
    usage = namedtuple("usage", ["total", "used", "free"])(10**12, 0, 100 * 10**9)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    (remark,) = check_disk({"caches": need * 10**9, "scores": 0}, Path("results"))
    assert remark.level == level
    assert f"{need}.0 GB needed (caches {need}.0 GB), 100.0 GB free" in remark.told


@pytest.mark.parametrize(("gigabytes", "head"), [(0, ""), (10, "at least caches 10.0 GB needed, ")])
def test_what_a_study_with_faults_needs_is_not_known(monkeypatch, gigabytes, head) -> None:
    usage = namedtuple("usage", ["total", "used", "free"])(10**12, 0, 100 * 10**9)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    (remark,) = check_disk({"caches": gigabytes * 10**9}, Path("results"), whole=False)
    rest = "100.0 GB free; how much is needed is known once the study has no fault."
    assert remark.told == head + rest


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_processes_are_told_apart_by_what_they_are_and_where(here, start) -> None:
    script = here / "workflow" / "scripts" / "train.py"
    script.parent.mkdir(parents=True)
    script.write_text(SLEEP)
    module = start(here, "-c", SLEEP, "snakemake")
    start(here / "workflow", "-c", SLEEP, "snakemake")
    start(here, "-c", SLEEP, "less", "snakemake.log")
    job = start(here, str(script))
    assert running_in(here) == Running((module,), (job,), 0)


def lock(name: str = "0.input.lock") -> None:
    Path(".snakemake", "locks").mkdir(parents=True, exist_ok=True)
    Path(".snakemake", "locks", name).touch()


def test_locks_of_a_killed_run_come_with_the_command_that_removes_them() -> None:
    assert levels(check_killed(NOBODY, "unlock!")) == ["ok"]
    lock()
    (remark,) = check_killed(NOBODY, "unlock!")
    assert remark.level == "error"
    assert remark.mend == "if none does on another machine: unlock!"


def test_locks_are_not_to_be_removed_under_a_run_or_its_jobs() -> None:
    lock()
    (remark,) = check_killed(Running((7,), (), 0), "unlock!")
    assert (remark.level, remark.mend) == ("ok", "")
    (remark,) = check_killed(Running((), (8, 9), 0), "unlock!")
    assert remark.level == "error"
    assert "process 8, 9" in remark.told
    assert remark.mend.startswith("wait for them")
    (remark,) = check_killed(Running((), (), 1), "unlock!")
    assert "another user" in remark.mend


def test_files_that_were_being_written_are_told_unless_they_still_are() -> None:
    folder = Path(".snakemake", "incomplete", "@abc")
    folder.mkdir(parents=True)
    (folder / "cmVzdWx0cw==").touch()
    assert levels(check_killed(NOBODY, "")) == ["ok", "warning"]
    assert levels(check_killed(Running((7,), (), 0), "")) == ["ok"]


def test_leftovers_of_killed_writers_are_old() -> None:
    folder = Path("results", "cells", "a", ".tmp-12-checkpoints")
    folder.mkdir(parents=True)
    for name in ("weights", ".tmp-34-x"):
        (folder / name).write_bytes(b"x" * 1000)
    Path("results", "cells", "a", "train.json").touch()
    assert levels(check_leftovers(Path("results"))) == []
    for path in Path("results").rglob("*"):
        os.utime(path, (0, time.time() - 7200))
    (remark,) = check_leftovers(Path("results"))
    assert remark.told.startswith("2 temporary file(s)")
    assert "prune" in remark.mend
