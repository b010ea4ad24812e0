"""Snakemake started by a fork finds the same as Snakemake started by a user."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.workflow.conftest import Workspace

SNAKEFILE = """
import json, os, signal, sys
names = ("transfergrid.planning", "transfergrid")
print("TOLD", json.dumps([
    sys.argv[1:], os.getcwd(), sys.path, sorted(os.environ.items()), sys.stdin.read(),
    sys.modules["__main__"].__file__, [name for name in names if name in sys.modules],
    [str(signal.getsignal(one)) for one in (signal.SIGCHLD, signal.SIGINT)],
]))
print("AND", config["answer"], file=sys.stderr)
"""


def told(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(("TOLD", "AND", "KeyError"))]


def test_a_fork_is_what_a_user_starts(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "src").mkdir(parents=True)
    (project / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "sitecustomize.py").write_text("import os\nos.environ['AT_START'] = 'yes'\n")
    workspace = Workspace(tmp_path, project)
    answers = []
    for words in (["--config", "answer=42"], ["--config", "question=6"]):
        command = workspace.command(*words, study=None)
        started = subprocess.run(**command, capture_output=True, stdin=subprocess.DEVNULL)
        forked = workspace.snakemake(*words, study=None)
        answers.append(told(started.stdout + started.stderr))
        assert told(forked.text) == answers[-1]
        assert forked.status == started.returncode
    assert len(answers[0]) == 2
    assert "AT_START" in answers[0][0]
    assert forked.status == 1
