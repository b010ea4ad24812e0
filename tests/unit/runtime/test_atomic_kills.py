"""A writer that is killed leaves the old file or the new one, and litter that others clear away."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from transfergrid.runtime import atomic

SOURCE = Path(atomic.__file__).parents[2]


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a Python program and wait for its first line."""
    child = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline().strip() == "ready"
    return child


def kill(child: subprocess.Popen[str]) -> None:
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert child.returncode == -signal.SIGKILL


HALF_A_FILE = """
import sys, time
from transfergrid.runtime import atomic
from transfergrid.runtime.errors import UserError
with atomic.replacing(sys.argv[1]) as temporary, open(temporary, "w") as file:
    file.write("half")
    file.flush()
    print("ready", flush=True)
    time.sleep(60)
"""

HALF_A_FOLDER = """
import sys, time
from transfergrid.runtime import atomic
from transfergrid.runtime.errors import UserError
with atomic.replacing_directory(sys.argv[1]) as folder:
    (folder / "new").write_text("half")
    print("ready", flush=True)
    time.sleep(60)
"""


def test_kill_in_the_middle_of_a_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    kill(start(HALF_A_FILE, path))
    assert path.read_text() == "old"
    assert [name for name in os.listdir(tmp_path) if not name.startswith(".tmp-")] == ["a.txt"]
    atomic.write_text(path, "new")
    assert path.read_text() == "new"


def test_kill_in_the_middle_of_a_first_write_leaves_no_file(tmp_path):
    kill(start(HALF_A_FILE, tmp_path / "a.txt"))
    assert not (tmp_path / "a.txt").exists()


def test_kill_in_the_middle_of_a_folder_leaves_the_old_one(tmp_path):
    path = tmp_path / "cache"
    path.mkdir()
    (path / "old").write_text("old")
    kill(start(HALF_A_FOLDER, path))
    assert os.listdir(path) == ["old"]


def litter(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.startswith(".tmp-")]


HALF_A_SCRATCH = HALF_A_FOLDER.replace("replacing_directory", "scratch_directory")


@pytest.mark.parametrize("program", [HALF_A_FILE, HALF_A_FOLDER, HALF_A_SCRATCH])
def test_the_next_writer_takes_away_what_a_killed_one_left(tmp_path, program):
    path = tmp_path / "cache"
    child = start(program, path)
    (left,) = litter(tmp_path)
    assert atomic.abandoned(left) is False
    # Others of that path, of a path whose name ends alike, and of one whose name begins alike.
    for name in ("cache", "a-cache", "cache-2"):
        atomic.write_text(tmp_path / name, "of the one that lives")
    assert litter(tmp_path) == [left]
    kill(child)
    assert atomic.abandoned(left) is True
    for name in ("a-cache", "cache-2"):
        atomic.write_text(tmp_path / name, "not its path")
    assert litter(tmp_path) == [left]
    atomic.write_text(path, "its path")
    assert litter(tmp_path) == []


KILLED_BETWEEN_RENAMES = """
import os, sys
from transfergrid.runtime import atomic
replace = os.replace
def stop(source, target):
    replace(source, target)
    print("ready", flush=True)
    import time; time.sleep(60)
os.replace = stop
with atomic.replacing_directory(sys.argv[1]) as folder:
    (folder / "new").write_text("x")
"""


def test_a_folder_that_was_moved_aside_goes_only_when_its_writer_is_dead(tmp_path):
    path = tmp_path / "cache"
    path.mkdir()
    child = start(KILLED_BETWEEN_RENAMES, path)
    assert [atomic.abandoned(left) for left in litter(tmp_path)] == [False, False]
    kill(child)
    with atomic.replacing_directory(path) as folder:
        (folder / "newer").write_text("x")
    assert litter(tmp_path) == []
    assert os.listdir(path) == ["newer"]


def test_without_locks_nothing_is_taken_away(tmp_path, monkeypatch):
    def refuse(descriptor, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    kill(start(HALF_A_FILE, tmp_path / "a.txt"))
    monkeypatch.setattr(atomic.fcntl, "flock", refuse)
    (left,) = litter(tmp_path)
    assert atomic.abandoned(left) is None
    atomic.write_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "new"
    assert litter(tmp_path) == [left]


@pytest.mark.parametrize("name", ["a.txt", ".tmp-1-a", ".tmp-doctor-x", ".tmp-0123456789abcdef-a"])
def test_what_is_not_ours_or_not_there_cannot_be_told(tmp_path, name):
    if "0123" not in name:
        (tmp_path / name).write_text("x")
    assert atomic.abandoned(tmp_path / name) is None


REWRITE_FOR_EVER = """
import itertools, sys
from transfergrid.runtime import atomic
from transfergrid.runtime.errors import UserError
for n in itertools.count():
    atomic.write_json(sys.argv[1], {"n": n, "copies": [n] * 20_000})
    if n == 0:
        print("ready", flush=True)
"""


@pytest.mark.parametrize("delay", [0.0, 0.013, 0.04, 0.11])
def test_a_reader_sees_whole_files_whenever_the_writer_dies(tmp_path, delay):
    path = tmp_path / "a.json"
    child = start(REWRITE_FOR_EVER, path)
    end = time.monotonic() + delay
    while True:
        value = json.loads(path.read_text())
        assert value["copies"] == [value["n"]] * 20_000
        if time.monotonic() > end:
            break
    kill(child)
    value = json.loads(path.read_text())
    assert value["copies"] == [value["n"]] * 20_000
