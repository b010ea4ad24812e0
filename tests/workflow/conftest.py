"""A small study and a way to run Snakemake on it, as a user would, in a folder of its own."""

from __future__ import annotations

import copy
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from small_study import SMALL

from transfergrid.planning.paths import PROJECT
from transfergrid.planning.study import merge
from transfergrid.runtime.locks import make_once


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
    """A folder with studies in it, and the copy of the project that runs them."""

    folder: Path
    project: Path = PROJECT

    def write(self, changes: dict[str, Any] | None = None, name: str = "study.yaml") -> Path:
        """Write the small study with changes laid over it."""
        path = self.folder / name
        path.write_text(yaml.safe_dump(merge(copy.deepcopy(SMALL), changes or {})))
        return path

    def command(self, *arguments: str | Path, study: str | None = "study.yaml") -> dict[str, Any]:
        """Return what `subprocess` needs to run Snakemake here with two cores."""
        words = [sys.executable, "-m", "snakemake", "--snakefile", self.project / "Snakefile"]
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

    def snakemake(self, *arguments: str | Path, study: str | None = "study.yaml") -> Outcome:
        """Run Snakemake here."""
        command = self.command(*arguments, study=study)
        done = subprocess.run(**command, capture_output=True, timeout=800)
        return Outcome(done.returncode, done.stdout + done.stderr)

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """Start Snakemake here in a session of its own, and do not wait for it."""
        return subprocess.Popen(
            **self.command(*arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


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
def finished(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Workspace:
    """The small study, run to its end once; tests that change it must copy it."""
    return _run_once("finished", {}, tmp_path_factory, worker_id)


@pytest.fixture(scope="session")
def tuned(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Workspace:
    """The small study with tuned rates and maps, run to its end once; to be copied as well."""
    return _run_once("tuned", TUNED, tmp_path_factory, worker_id)


def _run_once(
    name: str, changes: dict[str, Any], paths: pytest.TempPathFactory, worker_id: str
) -> Workspace:
    root = paths.getbasetemp()
    if worker_id != "master":  # one for all processes that run tests
        root = root.parent
    workspace = Workspace(root / name)

    def run() -> None:
        shutil.rmtree(workspace.folder, ignore_errors=True)
        workspace.folder.mkdir()
        workspace.write(changes)
        outcome = workspace.snakemake()
        assert outcome.status == 0, outcome.text[-6000:]
        (workspace.folder / "done").touch()

    make_once(workspace.folder / "done", root / f"{name}.lock", run)
    return workspace
