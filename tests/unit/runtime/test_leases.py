"""A leased GPU has one holder, and is free when that holder is dead."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from unit.runtime import fake_gpus
from unit.runtime.fake_gpus import uuid

from transfergrid.runtime import leases
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.gpus import Gpu
from transfergrid.runtime.leases import Lease, holders, open_folder, take_gpu

HOLD = """
import os, subprocess, sys, time
from transfergrid.runtime.leases import take_gpu
if "nobody" in sys.argv:  # after the imports: root's Python may be closed to others
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
lease = take_gpu(1, lambda line: print(line, flush=True), "holds")
if "forks" in sys.argv:
    told, tell = os.pipe()
    if os.fork() == 0:
        os.write(tell, b"1")  # it has run, and so left the lease behind
        time.sleep(100)
    os.read(told, 1)
if "starts" in sys.argv:
    subprocess.Popen(["sleep", "100"], close_fds=False)
print("lease", lease and lease.uuid, flush=True)
time.sleep(100)
"""
GPUS = [Gpu(uuid(number), "fake") for number in range(4)]


@pytest.fixture
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of four GPUs with a lock folder of its own; the folder is not made yet."""
    folder = tmp_path / "locks"
    monkeypatch.setenv("TRANSFERGRID_GPU_LOCKS", str(folder))
    monkeypatch.setenv("PATH", f"{fake_gpus.install(tmp_path / 'bin', range(4))}:/usr/bin:/bin")
    for name in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def take(locks, monkeypatch) -> Iterator[Callable[..., Lease | None]]:
    """Take a lease in this process, which gives it back after the test."""
    taken: list[Lease] = []

    def take(setting: str | None = None, gpus: int = 1) -> Lease | None:
        if setting is None:
            monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        else:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", setting)
        lease = take_gpu(gpus, pytest.fail, "test")
        if lease:
            taken.append(lease)
        return lease

    yield take
    for lease in taken:
        os.close(lease.descriptor)


@pytest.fixture
def hold(locks) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start processes that take a lease and hold it."""
    children: list[subprocess.Popen[str]] = []

    def hold(*words: str, **environment: str) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [sys.executable, "-c", HOLD, *words],
            env={**os.environ, "PYTHONPATH": str(Path(leases.__file__).parents[2]), **environment},
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        children.append(child)
        return child

    yield hold
    for child in children:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()


def said(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def test_cuda_is_shown_the_leased_gpu_alone(take):
    lease = take()
    assert lease.uuid == uuid(0)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == uuid(0)


def test_the_setting_is_honoured(take):
    assert take("2,1").uuid == uuid(2)
    assert take("2,1").uuid == uuid(1)
    assert take(uuid(3)[:12]).uuid == uuid(3)


def test_no_gpu_is_asked_for(take, locks):
    assert take(gpus=0) is None
    assert not locks.exists()


def test_no_gpu_is_seen(locks, take, monkeypatch):
    assert take("7") is None
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr("transfergrid.runtime.gpus._DRIVER", ())
    assert take() is None


@pytest.mark.parametrize("setting", [None, "1", uuid(1), "", "NoDevFiles"])
def test_slurm_has_decided(take, monkeypatch, locks, setting):
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    assert take(setting) is None
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == setting
    assert not locks.exists()


def test_jobs_within_one_allocation_divide_its_gpus(take, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    assert {take("1,3").uuid, take("1,3").uuid} == {uuid(1), uuid(3)}
    assert take("0,9") is None


def test_the_key_is_the_gpu_and_not_its_number(take, tmp_path, monkeypatch):
    assert take("0").uuid == uuid(0)
    # In a container or an allocation the same GPUs have other numbers.
    monkeypatch.setenv("PATH", f"{fake_gpus.install(tmp_path / 'b', [1, 0])}:/usr/bin:/bin")
    assert take("0").uuid == uuid(1)
    with pytest.raises(StoppedError):
        take_gpu(1, stop)


class StoppedError(Exception):
    """Ends the waiting."""


def stop(line: str) -> None:
    raise StoppedError(line)


def test_a_waiting_job_says_who_holds_the_gpus_and_goes_on_when_one_dies(hold, monkeypatch):
    holder = hold(CUDA_VISIBLE_DEVICES="1")
    assert said(holder) == f"lease {uuid(1)}"
    waiter = hold(CUDA_VISIBLE_DEVICES="1")
    line = said(waiter)
    assert line.startswith("waiting for a GPU: the one GPU is leased (GPU-00000001: process ")
    assert f"process {holder.pid} of " in line
    assert line.endswith(", holds)")
    holder.kill()
    assert said(waiter) == f"lease {uuid(1)}"


def test_a_waiting_job_repeats_itself_now_and_then(hold, monkeypatch):
    assert said(hold(CUDA_VISIBLE_DEVICES="1")) == f"lease {uuid(1)}"
    monkeypatch.setattr(leases, "_POLL_S", 0.001)
    monkeypatch.setattr(leases, "_TELL_S", 0.05)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        if len(lines) == 3:
            raise StoppedError

    with pytest.raises(StoppedError):
        take_gpu(1, say)


def test_a_job_that_is_told_to_stop_waits_no_longer(take, monkeypatch):
    monkeypatch.setattr(leases, "_POLL_S", 0.001)
    take("0"), monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    asked: list[int] = []

    def check() -> None:
        asked.append(1)
        if len(asked) == 3:
            raise StoppedError

    with pytest.raises(StoppedError):
        take_gpu(1, lambda line: None, check=check)
    assert len(asked) == 3


@pytest.mark.parametrize("left", ["forks", "starts"])
def test_what_a_dead_holder_leaves_running_does_not_keep_the_gpu(hold, take, left):
    holder = hold(left)
    assert said(holder) == f"lease {uuid(0)}"
    holder.kill()
    holder.wait()
    os.killpg(holder.pid, 0)  # what it started lives
    assert take("0").uuid == uuid(0)


def test_a_fork_does_not_end_the_lease(hold, take):
    assert said(hold("forks", CUDA_VISIBLE_DEVICES="0,1")) == f"lease {uuid(0)}"
    assert take("0,1").uuid == uuid(1)


def test_holders_are_those_that_hold(take, locks):
    take("1"), take("2")
    (locks / f"{uuid(3)}.lock").write_text("{}")
    held = holders(GPUS, open_folder())
    assert set(held) == {uuid(1), uuid(2)}
    assert held[uuid(1)].startswith(f"process {os.getpid()} of ")


def test_all_users_may_use_what_one_makes(take, locks):
    before = os.umask(0o077)
    try:
        take()
    finally:
        assert os.umask(before) == 0o077
    assert stat.S_IMODE(locks.stat().st_mode) == 0o1777
    assert [stat.S_IMODE(file.stat().st_mode) for file in locks.iterdir()] == [0o666]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
@pytest.mark.parametrize("mode", [0o666, 0o644])
def test_a_lock_file_of_another_user_is_a_lock(hold, mode):
    # Not tmp_path, which is closed to other users.
    with tempfile.TemporaryDirectory() as name:
        folder, locks = Path(name), Path(name, "locks")
        folder.chmod(0o755)
        locks.mkdir()
        locks.chmod(0o1777)
        path = locks / f"{uuid(0)}.lock"
        path.touch()
        path.chmod(mode)
        environment = {
            "PATH": f"{fake_gpus.install(folder / 'bin', [0, 1])}:/usr/bin:/bin",
            "TRANSFERGRID_GPU_LOCKS": str(locks),
        }
        lines = sorted(said(hold("nobody", **environment)) for _ in range(3))
        assert lines[:2] == [f"lease {uuid(0)}", f"lease {uuid(1)}"]
        assert lines[2].startswith("waiting for a GPU: all 2 GPUs are leased")
        assert {file.name: file.stat().st_uid for file in locks.iterdir()} == {
            f"{uuid(0)}.lock": 0,
            f"{uuid(1)}.lock": 65534,
        }


def test_a_file_that_is_there_is_not_opened_to_be_made(take, locks, monkeypatch):
    """With fs.protected_regular the kernel refuses O_CREAT on another user's file in /tmp."""
    open_folder()
    (locks / f"{uuid(0)}.lock").touch()
    system_open = os.open

    def protected(path, flags, *rest, **options):
        if flags & os.O_CREAT and Path(path).exists() and not flags & os.O_EXCL:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return system_open(path, flags, *rest, **options)

    monkeypatch.setattr(os, "open", protected)
    assert [take().uuid for _ in range(4)] == [uuid(number) for number in range(4)]


def test_a_file_that_a_cleaner_removes_between_opening_and_locking_is_no_lock(
    take, locks, monkeypatch
):
    system_lock, removed = fcntl.flock, []

    def slow(descriptor: int, operation: int) -> None:
        path = locks / f"{uuid(0)}.lock"
        if len(removed) < 2 and path.exists():
            removed.append(os.fstat(descriptor).st_ino)
            path.unlink()
            if len(removed) == 2:  # and another process has made it anew
                path.touch()
        system_lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", slow)
    lease = take("0")
    assert len(removed) == 2
    assert os.path.samestat(os.fstat(lease.descriptor), os.stat(locks / f"{uuid(0)}.lock"))


def test_a_leased_file_looks_fresh_to_a_cleaner(take, locks):
    open_folder()
    path = locks / f"{uuid(0)}.lock"
    path.touch()
    os.utime(path, (0, 0))
    take("0")
    assert path.stat().st_mtime > time.time() - 600


def test_the_folder_of_a_held_lease_is_locked_against_systemd(take, locks):
    take("0")
    descriptor = os.open(locks, os.O_RDONLY)
    try:
        with pytest.raises(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(descriptor)


def make_link(path: Path) -> None:
    path.symlink_to(path.with_name("target"))
    path.with_name("target").write_text("precious")


def make_second_name(path: Path) -> None:
    path.with_name("target").write_text("precious")
    path.hardlink_to(path.with_name("target"))


@pytest.mark.parametrize("make", [make_link, make_second_name, os.mkfifo, Path.mkdir])
def test_a_trap_in_the_folder_is_refused_in_one_sentence(take, locks, make):
    open_folder()
    make(locks / f"{uuid(0)}.lock")
    with pytest.raises(UserError, match=f"{uuid(0)}.lock"):
        take("0")
    with contextlib.suppress(UserError):
        assert holders(GPUS, locks) == {}
    target = locks / "target"
    assert not target.exists() or target.read_text() == "precious"


def test_a_folder_that_is_none_is_refused(take, locks, tmp_path, monkeypatch):
    locks.touch()
    with pytest.raises(UserError, match="is not a folder"):
        take()
    locks.unlink()
    locks.symlink_to(tmp_path)
    with pytest.raises(UserError, match="is not a folder"):
        take()
    monkeypatch.setenv("TRANSFERGRID_GPU_LOCKS", str(tmp_path / "missing" / "locks"))
    with pytest.raises(UserError, match="cannot be used"):
        take()


def test_a_file_system_without_locks_is_named(take, locks, monkeypatch):
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(UserError, match=f"{locks}/GPU.*No locks available"):
        take()


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"\xff\xfe",
        b"[" * 5000,
        b'{"pid": 1}',
        b'["pid"]',
        json.dumps({"pid": 1, "user": {"a": 1}, "since": 1e300, "job": 3}).encode(),
        json.dumps({"pid": 1, "user": "\x1b[2J\nroot", "since": 0, "job": "\u202e"}).encode(),
    ],
)
def test_nothing_that_stands_in_a_lock_file_does_harm(take, locks, note):
    take("0")
    (locks / f"{uuid(0)}.lock").write_bytes(note)
    told = holders(GPUS, locks)[uuid(0)]
    assert told.isprintable()
    assert told == "holder unknown" or told.startswith("process 1 of ")
