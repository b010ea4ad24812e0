"""How programs end: with a sentence, a status, or a stack trace for a bug."""

from __future__ import annotations

import atexit
import errno
import gc
import os
import signal
import subprocess
import sys

import pytest

from transfergrid.runtime.errors import Stopped, UserError
from transfergrid.runtime.program import STOPPED, run_program


@pytest.fixture(autouse=True)
def collector():
    """Leave the collector as it was: a program's end is not that of the tests."""
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    atexit.unregister(gc.freeze)


@pytest.mark.parametrize("status", [0, 3])
def test_libraries_are_not_searched_for_garbage(status):
    program = f"""
import atexit, gc, sys
import pandas
from transfergrid.runtime.program import run_program
atexit.register(lambda: print(gc.get_freeze_count()))  # what is registered first runs last
def main():
    print(gc.get_threshold()[0], gc.get_freeze_count(), gc.isenabled())
    sys.exit({status})
run_program(main)
"""
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == status
    during, frozen = done.stdout.splitlines()
    # What a program itself leaves in circles is still found.
    assert during == "50000 0 True"
    assert int(frozen) > 10_000


def test_a_user_error_ends_a_program_with_one_line(capsys):
    def main() -> None:
        raise UserError("the key 'epoch' is unknown; write 'epochs'")

    with pytest.raises(SystemExit) as stopped:
        run_program(main)
    assert stopped.value.code == 1
    assert stopped.value.__suppress_context__
    captured = capsys.readouterr()
    assert captured.err == "error: the key 'epoch' is unknown; write 'epochs'\n"
    assert captured.out == ""


@pytest.mark.parametrize(
    "error", [ValueError("ours"), OSError("no number"), KeyError("x"), KeyboardInterrupt()]
)
def test_a_bug_keeps_its_stack_trace(error, capsys):
    def main() -> None:
        raise error

    with pytest.raises(type(error)):
        run_program(main)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.ENOSPC, "No space left"), "error: no space left on the disk of the results"),
        (OSError(errno.EDQUOT, "Quota", "a.npy"), "error: no space left to write a.npy; free some"),
        (
            PermissionError(errno.EACCES, "no", "a.npy"),
            "error: no permission to use a.npy; correct its",
        ),
        (OSError(errno.EROFS, "no", "a.npy"), "error: a.npy is on a file system mounted read-only"),
        (OSError("[errno 27] cut short"), "error: a file would be larger than a file may be"),
    ],
)
def test_a_full_disk_is_a_sentence(error, sentence, capsys):
    def main() -> None:
        raise error

    with pytest.raises(SystemExit) as stopped:
        run_program(main)
    assert stopped.value.code == 1
    assert capsys.readouterr().err.startswith(sentence)


def test_a_program_that_works_returns():
    ran = []
    run_program(lambda: ran.append(1))
    assert ran == [1]


def test_a_stopped_program_can_be_told_from_a_failed_one(capsys):
    def main() -> None:
        raise Stopped("state saved at step 3 of 9")

    with pytest.raises(SystemExit) as stopped:
        run_program(main)
    assert stopped.value.code == STOPPED == os.EX_TEMPFAIL
    assert capsys.readouterr().err == "stopped: state saved at step 3 of 9\n"


PROGRAM = """
import time
from transfergrid.runtime.program import stop_on_signals
stop = stop_on_signals()
print("ready", flush=True)
while not stop():
    time.sleep(0.01)
print("asked", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_ask_first_and_a_second_interrupt_forces(number):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.stdout.readline() == "asked\n"
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == -signal.SIGINT
