"""A small study and a way to run Snakemake on it, as a user would, in a folder of its own."""

from __future__ import annotations

import atexit
import copy
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from small_study import SMALL
from tests.workflow.masked_study import STUDY as MASKED_STUDY
from tests.workflow.warm import TIMEOUT, Server
from unit.data.discs import discs

from transfergrid.planning.paths import PROJECT
from transfergrid.planning.study import merge
from transfergrid.runtime.locks import make_once

SLOWEST = (
    *("test_slurm", "test_kills", "test_report", "test_doctor", "test_extending", "test_cams"),
    *("test_full_disk", "test_edits", "test_run", "test_snapshot", "test_recomputed"),
)
"""Modules, the slowest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, lest one process works at the end and the others wait."""

    def place(item: pytest.Item) -> int:
        if item.path.parent != Path(__file__).parent:
            return len(SLOWEST) + 1
        name = item.path.stem
        return SLOWEST.index(name) if name in SLOWEST else len(SLOWEST)

    items.sort(key=place)


@cache
def server(kind: str) -> Server:
    """Return this process's server of a kind."""
    started = Server(kind)
    atexit.register(started.stop)
    return started


def python() -> str:
    """Return a Python that starts programs and modules by a fork, where that can be done."""
    # macOS may kill what forks after an import of its frameworks.
    return str(server("programs").python) if sys.platform == "linux" else sys.executable


@dataclass(frozen=True)
class Outcome:
    """What Snakemake said."""

    status: int
    text: str

    @property
    def jobs(self) -> Counter[str]:
        """Jobs by rule, from the table that a (dry) run prints."""
        rows = re.findall(r"^(\w+) +(\d+)$", self.text.split("Job stats:")[-1], flags=re.M)
        counts: Counter[str] = Counter()
        for rule, count in rows:
            counts[rule_of(rule)] += int(count)
        for name in ("total", "all"):
            counts.pop(name, None)
        return counts


def rule_of(name: str) -> str:
    """Return a rule's name, without what tells it from others made in one loop."""
    return re.sub(r"^(spec|ensembles)_.*", r"\1", name)


@dataclass(frozen=True)
class Workspace:
    """A folder with studies in it, and the copy of the project that runs them.

    The file that Snakemake reads may be another one of the project, or lie elsewhere.
    """

    folder: Path
    project: Path = PROJECT
    snakefile: str | Path = "Snakefile"

    def write(self, changes: dict[str, Any] | None = None, name: str = "study.yaml") -> Path:
        """Write the small study with changes laid over it."""
        path = self.folder / name
        path.write_text(yaml.safe_dump(merge(copy.deepcopy(SMALL), changes or {})))
        return path

    def command(self, *arguments: str | Path, study: str | None = "study.yaml") -> dict[str, Any]:
        """Return what `subprocess` needs to run Snakemake here with two cores."""
        words = [sys.executable, "-m", "snakemake", "--snakefile", self.project / self.snakefile]
        words += ["--directory", self.folder, "--cores", "2"]
        # Last, for options that take several words would take targets as well.
        words += [*arguments, *(["--configfile", self.folder / study] if study else [])]
        path = f"{self.folder}:{self.project / 'src'}"
        return {
            "args": [str(word) for word in words],
            "cwd": self.folder,
            "env": {**os.environ, "PYTHONPATH": path},
            "text": True,
        }

    def snakemake(
        self, *arguments: str | Path, study: str | None = "study.yaml", forks: bool = True
    ) -> Outcome:
        """Run Snakemake here, with programs that are forks of one process unless told otherwise."""
        command = self.command(*arguments, study=study)
        if sys.platform != "linux":
            done = subprocess.run(**command, capture_output=True, timeout=TIMEOUT)
            return Outcome(done.returncode, done.stdout + done.stderr)
        interpreter, _, _, *words = command["args"]
        for_rules = python() if forks else interpreter
        return Outcome(*server("snakemake").run(words, self.folder, command["env"], for_rules))

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """Start Snakemake here in a session of its own, and do not wait for it."""
        return subprocess.Popen(
            **self.command(*arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


@dataclass(frozen=True)
class Once:
    """Makes studies under a folder, each once."""

    root: Path

    def run(self, name: str, make: Callable[[Workspace], object]) -> Workspace:
        """Return the workspace of that name, which `make` fills unless another process has."""
        workspace = Workspace(self.root / name / "run")

        def made() -> None:
            shutil.rmtree(self.root / name, ignore_errors=True)
            (self.root / name).mkdir()
            make(workspace)
            (self.root / name / "done").touch()

        make_once(self.root / name / "done", self.root / f"{name}.lock", made)
        return workspace


@pytest.fixture()
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


TUNED: dict[str, Any] = {
    "protocols": {
        "finetune": {"tune": {"learning_rates": [1e-4, 1e-3], "epochs": 0.5, "holdout": 0.2}}
    },
    "grid": [{**SMALL["grid"][0], "truncations": [0]}],
    "cams": {"where": {"pretraining": "random"}},
}


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Once:
    """What makes a folder that all processes which run tests share."""
    root = tmp_path_factory.getbasetemp()
    return Once(root if worker_id == "master" else root.parent)


@pytest.fixture(scope="session")
def finished(once: Once) -> Workspace:
    """The small study, run to its end once; tests that change it must copy it."""
    return once.run("finished", lambda workspace: _run(workspace, {}))


@pytest.fixture(scope="session")
def tuned(once: Once) -> Workspace:
    """The small study with tuned rates and maps, run to its end once; to be copied as well."""
    return once.run("tuned", lambda workspace: _run(workspace, TUNED))


@pytest.fixture(scope="session")
def masked(once: Once) -> Workspace:
    """A study of a cell of masks and one of labels, run to its end once; to be copied as well."""

    def make(workspace: Workspace) -> None:
        workspace.folder.mkdir()
        sizes = {"train": 24, "val": 8, "test": 8}
        discs(workspace.folder / "discs.npz", sizes, empty=(1,), side=32, observers=("second",))
        _finish(workspace, MASKED_STUDY)

    return once.run("masked", make)


def _run(workspace: Workspace, changes: dict[str, Any]) -> None:
    workspace.folder.mkdir()
    _finish(workspace, changes)


def _finish(workspace: Workspace, changes: dict[str, Any]) -> None:
    workspace.write(changes)
    outcome = workspace.snakemake()
    assert outcome.status == 0, outcome.text[-6000:]
