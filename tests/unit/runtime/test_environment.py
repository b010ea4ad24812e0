"""The record of the environment is complete, and fit to be published."""

from __future__ import annotations

import json
import os
import platform
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from transfergrid.runtime import environment
from transfergrid.runtime.environment import environment_record
from transfergrid.runtime.imports import HeldCode

SOURCE = Path(environment.__file__).parents[1]


def test_versions_are_those_of_the_process():
    record = environment_record()
    assert record["python"] == platform.python_version()
    packages = record["packages"]
    assert isinstance(packages, dict)
    assert packages["numpy"] == metadata.version("numpy")
    assert packages["torch"] == metadata.version("torch")
    assert isinstance(record["cores"], int)
    assert 1 <= record["cores"] <= (os.cpu_count() or 1)


def test_a_missing_package_is_none(monkeypatch):
    monkeypatch.setattr(environment, "PACKAGES", ("no_such_package",))
    packages = environment_record()["packages"]
    assert isinstance(packages, dict) and packages["no_such_package"] is None


def test_packages_that_held_modules_of_ones_own_import_are_told(monkeypatch):
    text = "import json, own_helper\ndef f():\n    from yaml.nodes import Node\n"
    code = compile(f"import PIL.Image\n{text}", "mine.py", "exec")
    ours = compile("import pytest", "module.py", "exec")
    held = {"mine": HeldCode("mine.py", code), "transfergrid.a.b": HeldCode("module.py", ours)}
    monkeypatch.setattr(environment, "held_code", lambda: held)
    monkeypatch.setattr(environment, "PACKAGES", ("torch",))
    assert environment_record()["packages"] == {
        "pillow": metadata.version("pillow"),
        "PyYAML": metadata.version("PyYAML"),
        "torch": metadata.version("torch"),
    }


def test_the_record_is_json_and_names_neither_host_nor_path():
    text = json.dumps(environment_record(), allow_nan=False)
    words = [word.strip('"[]{}:,') for word in text.split()]
    assert socket.gethostname() not in words
    assert str(Path.home()) not in text
    assert str(SOURCE) not in text


def record_in(folder: Path, behind: Sequence[Path] = ()) -> dict[str, object]:
    """Return the record of a copy of the package that lies in `folder`."""
    program = (
        "import json; from transfergrid.runtime.environment import environment_record;"
        f"print(json.dumps(environment_record({[str(path) for path in behind]})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    command = ["git", "-C", str(folder), *who, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_the_commit_is_recorded_for_our_own_repository_only(tmp_path):
    package = tmp_path / "transfergrid"
    shutil.copytree(SOURCE / "runtime", package / "runtime")
    shutil.copy(SOURCE / "__init__.py", package)
    assert record_in(tmp_path)["commit"] is None

    git(tmp_path, "init", "-q")
    (tmp_path / ".gitignore").write_text("__pycache__/\n")
    git(tmp_path, "add", ".gitignore")
    git(tmp_path, "commit", "-qm", "somebody else's repository")
    record = record_in(tmp_path)
    assert (record["commit"], record["uncommitted_changes"]) == (None, None)

    git(tmp_path, "add", "transfergrid")
    git(tmp_path, "commit", "-qm", "ours")
    record = record_in(tmp_path)
    assert record["commit"] == git(tmp_path, "rev-parse", "HEAD")
    assert record["uncommitted_changes"] is False

    (package / "new.py").write_text("")
    assert record_in(tmp_path)["uncommitted_changes"] is True


def test_only_files_that_a_result_depends_on_count_as_changes(tmp_path):
    package = tmp_path / "transfergrid"
    shutil.copytree(SOURCE / "runtime", package / "runtime")
    shutil.copy(SOURCE / "__init__.py", package)
    (tmp_path / ".gitignore").write_text("__pycache__/\n")
    (tmp_path / "README.md").write_text("one")
    (tmp_path / "study.yaml").write_text("one")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "ours")
    behind = [package, tmp_path / "study.yaml", tmp_path / "workflow"]
    (tmp_path / "README.md").write_text("two")
    assert record_in(tmp_path, behind)["uncommitted_changes"] is False
    for path in (tmp_path / "study.yaml", tmp_path / "workflow" / "new.smk"):
        path.parent.mkdir(exist_ok=True)
        path.write_text("two")
        assert record_in(tmp_path, behind)["uncommitted_changes"] is True
        path.write_text("one") if path.name == "study.yaml" else path.unlink()
