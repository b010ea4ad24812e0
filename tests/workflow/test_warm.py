"""Snakemake and programs started by a fork find the same as those started by a user."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.workflow.conftest import Workspace, python

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


PROGRAM = """
import os, signal, sys
import sibling
for thing in (
    sys.argv, os.getcwd(), sys.path, sorted(set(os.environ) - {"PWD", "OLDPWD", "SHLVL", "_"}),
    os.environ["AT_START"],
    sys.stdin.read(), sibling.__file__,
    sys.modules["__main__"].__file__, sys.modules["__main__"].__name__, sys.executable,
    [str(signal.getsignal(one)) for one in (signal.SIGCHLD, signal.SIGINT)],
):
    print("TOLD", thing)
raise SystemExit(sys.argv[2])
"""


def test_a_forked_program_is_what_a_rule_starts(tmp_path: Path) -> None:
    (tmp_path / "programs").mkdir()
    (tmp_path / "programs" / "sibling.py").touch()
    (tmp_path / "programs" / "told.py").write_text(PROGRAM)
    (tmp_path / "sitecustomize.py").write_text("import os\nos.environ['AT_START'] = 'yes'\n")
    program = str(tmp_path / "programs" / "told.py")
    given = ["a b", "KeyError: c"]
    for words in ([program, *given], ["-m", "programs.told", *given], ["-c", "print('TOLD')"]):
        started, forked = (
            subprocess.run(
                [interpreter, *words],
                cwd=tmp_path,
                env={**os.environ, "PYTHONPATH": f"{tmp_path}:{tmp_path / 'programs'}"},
                input="read",
                capture_output=True,
                text=True,
            )
            for interpreter in (sys.executable, python())
        )
        assert told(forked.stdout + forked.stderr) == told(started.stdout + started.stderr)
        assert told(started.stdout) and forked.returncode == started.returncode
