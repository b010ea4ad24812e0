"""Locks keep others out, and die with their holder."""

from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from transfergrid.runtime import locks
from transfergrid.runtime.errors import Stopped, UserError
from transfergrid.runtime.locks import exclusive

HOLD = """
import sys, time
from transfergrid.runtime.locks import exclusive
with exclusive(sys.argv[1]):
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path):
    """Another process that holds the lock `tmp_path/lock`."""
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "lock")],
        env={**os.environ, "PYTHONPATH": str(Path(locks.__file__).parents[2])},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline().strip() == "ready"
    yield child
    child.kill()
    child.communicate()


def test_a_held_lock_is_refused_in_one_sentence(tmp_path, holder):
    with (
        pytest.raises(UserError, match=r"^the cell is being trained$"),
        exclusive(tmp_path / "lock", "the cell is being trained"),
    ):
        pytest.fail("two holders of one lock")
    assert holder.poll() is None


def test_other_locks_are_free(tmp_path, holder):
    with exclusive(tmp_path / "another", "held"):
        pass


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_lock_of_a_killed_process_is_free_at_once(tmp_path, holder, how):
    holder.send_signal(how)
    holder.wait()
    with exclusive(tmp_path / "lock", "held"):
        pass


def test_who_waits_can_be_told_to_stop(tmp_path, holder):
    asked = iter(range(2))

    def check() -> None:
        if next(asked, None) is None:
            raise Stopped

    with pytest.raises(Stopped):
        locks.make_once(tmp_path / "made", tmp_path / "lock", lambda: None, check)
    assert holder.poll() is None
    holder.kill()
    holder.wait()
    locks.make_once(tmp_path / "made", tmp_path / "lock", (tmp_path / "made").touch, check)
    assert (tmp_path / "made").exists()


def test_without_a_message_the_call_waits(tmp_path, holder):
    entered = threading.Event()

    def wait() -> None:
        with exclusive(tmp_path / "lock"):
            entered.set()

    thread = threading.Thread(target=wait)
    thread.start()
    assert not entered.wait(0.3)
    holder.kill()
    assert entered.wait(120)
    thread.join()


def test_the_lock_ends_with_the_block_and_with_an_exception(tmp_path):
    path = tmp_path / "made on the way" / "lock"
    with exclusive(path, "held"):
        pass
    with pytest.raises(RuntimeError), exclusive(path, "held"):
        raise RuntimeError
    with exclusive(path, "held"):
        assert path.exists()


def test_two_holders_in_one_process_exclude_each_other(tmp_path):
    with (
        exclusive(tmp_path / "lock", "held"),
        pytest.raises(UserError),
        exclusive(tmp_path / "lock", "held"),
    ):
        pytest.fail("two holders of one lock")


def test_the_file_stays_and_keeps_its_content(tmp_path):
    path = tmp_path / "lock"
    path.write_text("pid 1")
    inode = path.stat().st_ino
    with exclusive(path, "held"):
        pass
    assert path.read_text() == "pid 1"
    assert path.stat().st_ino == inode


def test_a_child_forked_inside_does_not_keep_the_lock(tmp_path):
    context = multiprocessing.get_context("fork")
    stop = context.Event()
    with exclusive(tmp_path / "lock", "held"):
        child = context.Process(target=stop.wait, args=(60,))
        child.start()
    try:
        with exclusive(tmp_path / "lock", "held"):
            pass
        assert child.is_alive()
    finally:
        stop.set()
        child.join()


def test_a_new_lock_file_honours_the_umask(tmp_path):
    before = os.umask(0o002)
    try:
        with exclusive(tmp_path / "lock"):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "lock").stat().st_mode) == 0o664


def test_a_lock_file_of_another_user_can_be_locked():
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        path = Path(folder, "lock")
        path.touch(mode=0o444)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            with pytest.raises(PermissionError):
                os.open(path, os.O_RDWR)
            with exclusive(path, "held"), pytest.raises(UserError), exclusive(path, "held"):
                pytest.fail("two holders of one lock")
            if root:
                with pytest.raises(PermissionError), exclusive(path.with_name("new"), "held"):
                    pytest.fail("a lock file in a folder without the right to write")
        finally:
            if root:
                os.seteuid(0)


def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch):
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with (
        pytest.raises(UserError, match=rf"{tmp_path} has no file locks"),
        exclusive(tmp_path / "a"),
    ):
        pytest.fail("locked without a lock")


def test_no_descriptor_is_leaked(tmp_path):
    before = len(os.listdir("/dev/fd"))
    for _ in range(5):
        with (
            exclusive(tmp_path / "lock", "held"),
            pytest.raises(UserError),
            exclusive(tmp_path / "lock", "held"),
        ):
            pass
    assert len(os.listdir("/dev/fd")) == before


def test_what_is_missing_is_made_once_by_threads_that_find_it_missing_together(tmp_path):
    made, calls = tmp_path / "made", []

    def make():
        calls.append(1)
        time.sleep(0.05)
        made.touch()

    def ensure():
        locks.make_once(made, tmp_path / ".lock", make)

    threads = [threading.Thread(target=ensure) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls == [1]
