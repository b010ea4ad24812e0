"""A cell's own job and one that is ahead of it keep out of each other's way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from transfergrid.planning.records import AHEAD_LOCK, LOCK
from transfergrid.runtime import locks
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.locks import exclusive, exclusive_after, if_free

HOLD = """
import pathlib, sys, time
from transfergrid.runtime.locks import if_free
folder = pathlib.Path(sys.argv[1])
with if_free(folder / ".ahead.lock") as first, if_free(folder / ".lock") as second:
    print(first and second, flush=True)
    time.sleep(float(sys.argv[2]))
"""


@pytest.fixture()
def helper(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that trains the cell in `tmp_path`."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    program = [sys.executable, "-c", HOLD, str(tmp_path), "60"]
    child = subprocess.Popen(program, env=environment, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stdout.readline().strip() == "True"
    yield child
    child.kill()
    child.communicate()


def test_a_cell_s_own_job_waits_for_one_that_is_ahead_even_a_killed_one(
    tmp_path: Path, helper: subprocess.Popen[str]
) -> None:
    waited: list[float] = []

    def kill(seconds: float) -> None:
        assert helper.poll() is None
        waited.append(seconds)
        helper.send_signal(signal.SIGKILL)

    with exclusive_after(tmp_path / LOCK, tmp_path / AHEAD_LOCK, "in use", kill):
        assert len(waited) == 1
        assert not (tmp_path / AHEAD_LOCK).exists()
        with if_free(tmp_path / LOCK) as free:
            assert not free


def test_a_second_job_of_a_cell_is_refused_as_before(tmp_path: Path) -> None:
    def wait(seconds: float) -> None:
        pytest.fail("it is no helper")

    (tmp_path / AHEAD_LOCK).touch()  # left by one that was killed
    began = time.monotonic()
    with (
        exclusive(tmp_path / LOCK),
        pytest.raises(UserError, match=r"^in use$"),
        exclusive_after(tmp_path / LOCK, tmp_path / AHEAD_LOCK, "in use", wait),
    ):
        pytest.fail("two holders of one lock")
    assert time.monotonic() - began < 30


def test_only_a_lock_file_that_has_its_name_keeps_others_out(tmp_path: Path) -> None:
    lock, helper = tmp_path / LOCK, tmp_path / AHEAD_LOCK
    opened, real = [], locks._open

    def removed_meanwhile(path: Path) -> int:
        descriptor = real(path)
        if not opened:
            path.unlink()
        opened.append(path)
        return descriptor

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(locks, "_open", removed_meanwhile)
        with if_free(helper) as held:
            assert not held
    # What another process holds is its own to remove.
    with (
        if_free(helper) as looking,
        exclusive_after(lock, helper, "in use", lambda waited: None),
    ):
        assert looking and helper.exists()
