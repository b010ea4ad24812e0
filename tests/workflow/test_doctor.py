"""After Snakemake itself was killed, the doctor says what to do, and that mends it."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from transfergrid.planning.paths import PROJECT

pytestmark = pytest.mark.slow

ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": str(PROJECT / "src"),
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
}


def doctor(folder: Path) -> tuple[int, list[str]]:
    command = [sys.executable, "-m", "transfergrid.commands.main", "doctor"]
    command += [str(folder / "study.yaml"), "--directory", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, env=ENVIRONMENT)
    assert not done.stderr
    return done.returncode, done.stdout.splitlines()


def told(lines: list[str], what: str) -> tuple[str, str]:
    """Return a finding's line, and the line that mends it."""
    place = next(i for i, line in enumerate(lines) if line.split()[1:2] == [what])
    mend = lines[place + 1] if place + 1 < len(lines) else ""
    return lines[place], mend.partition("-> ")[2]


def wait_for(condition, what: str) -> None:
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_killed_run_is_mended_by_the_command_that_is_named(workspace) -> None:
    folder = workspace.folder
    # Either may be drawn first, and takes most of a minute; textures are drawn faster.
    many = {"films": {"patients": 40_000}, "textures": {"patients": 200_000}}
    workspace.write({"datasets": many})
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--directory", str(folder)]
    command += ["--configfile", str(folder / "study.yaml")]
    run = subprocess.Popen(
        command, cwd=PROJECT, env=ENVIRONMENT, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        wait_for(lambda: list((folder / "results" / "cache").glob(".tmp-*")), "no job started")
        status, lines = doctor(folder)
        assert status == 0
        assert f"Snakemake runs in this folder now (process {run.pid})" in told(lines, "locks")[0]

        run.kill()
        run.wait()
        status, lines = doctor(folder)
        assert status == 1
        assert "its jobs still run" in told(lines, "locks")[0]
    finally:
        os.killpg(run.pid, signal.SIGKILL)
    wait_for(lambda: "still run" not in told(doctor(folder)[1], "locks")[0], "the job lives")

    status, lines = doctor(folder)
    line, mend = told(lines, "locks")
    assert status == 1
    assert line.startswith("error")
    assert "warning" in told(lines, "incomplete")[0]
    unlock = shlex.split(mend.partition("machine: ")[2])
    subprocess.run(unlock, cwd=PROJECT, env=ENVIRONMENT, check=True, capture_output=True)
    status, lines = doctor(folder)
    assert status == 0
    assert told(lines, "locks")[0].startswith("ok")
