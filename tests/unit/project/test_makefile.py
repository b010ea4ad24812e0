"""make says what it can do, and what it lacks."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "Makefile").read_text()


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # The tests themselves run under `make test`, whose variables a make inside would inherit.
    inherited = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PYTHON", "WORKERS", "FLAGS"}
    environment = {name: value for name, value in os.environ.items() if name not in inherited}
    return subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder, with a space in its name, that has what `make env` reads and no environment."""
    folder = tmp_path / "a folder"
    (folder / "envs").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "envs/requirements.lock"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def test_make_alone_lists_every_target(copy):
    done = make(copy)
    assert done.returncode == 0, done.stderr
    listed = re.findall(r"^make (\w+)", done.stdout, re.MULTILINE)
    (phony,) = re.findall(r"^\.PHONY: (.*)$", TEXT, re.MULTILINE)
    assert listed == phony.split()
    assert {"demo", "test", "lint", "format", "bench", "clean", "env"} <= set(listed)
    assert not (copy / ".venv").exists()


def test_without_python_one_sentence_says_what_to_install(copy):
    done = make(copy, "env", "PYTHON=no-such-python")
    assert done.returncode != 0
    sentence, *rest = done.stderr.splitlines()
    assert sentence.startswith("error: none of 'no-such-python' is Python 3.11 or newer with venv;")
    assert all(line.startswith("make:") for line in rest)
    assert not (copy / ".venv").exists()


def test_an_old_python_is_passed_over(copy):
    old = copy / "old-python"
    old.write_text('#!/bin/sh\necho called >> "$0.log"\nexit 1\n')
    old.chmod(0o755)
    done = make(copy, "env", "PYTHON=./old-python no-such-python")
    assert "error: none of './old-python no-such-python' is" in done.stderr
    assert (copy / "old-python.log").read_text() == "called\n"


def test_clean_keeps_results_and_the_environment(copy):
    kept = ["results/demo/report.html", ".venv/bin/python", "src/a.py"]
    lost = ["build/lock/x", "dist/x", ".mypy_cache/x", ".hypothesis/x", "src/__pycache__/a.pyc"]
    for name in kept + lost:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).touch()
    done = make(copy, "clean")
    assert done.returncode == 0, done.stderr
    assert [name for name in kept + lost if (copy / name).exists()] == kept
    assert done.stdout == ""
