"""Snakemake started by a fork of a process that has imported it: its own second or more saved.

A test asks Snakemake what it would do some hundred times, and a third of that is the import of
other people's packages. None of the project's modules are imported before the fork, because tests
run edited copies of them.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import runpy
import select
import signal
import site
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PRELOADED = (
    *("snakemake.cli", "snakemake.executors.local", "docutils.core", "jinja2", "jsonschema"),
    *("numpy", "pandas", "PIL.Image", "pyarrow", "requests", "smart_open", "yaml", "yte"),
)
TIMEOUT = 800


class Server:
    """The process that is forked; several threads may ask it at once."""

    def __init__(self) -> None:
        # A socket's path may have no more than about a hundred characters.
        self._places = tempfile.TemporaryDirectory(prefix="warm")
        self._path = str(Path(self._places.name) / "socket")
        words = [sys.executable, "-P", __file__, self._path]
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        self._process = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"

    def run(self, args: Sequence[str], cwd: Path, env: dict[str, str]) -> tuple[int, str]:
        """Do ``python -m snakemake ARGS`` there; return its status and what it printed."""
        with tempfile.TemporaryDirectory(dir=self._places.name) as name:
            files = [Path(name) / "stdout", Path(name) / "stderr"]
            told = {"args": args, "cwd": str(cwd), "env": env, "files": list(map(str, files))}
            with socket.socket(socket.AF_UNIX) as line:
                line.connect(self._path)
                line.sendall(json.dumps(told).encode() + b"\n")
                ready, _, _ = select.select([line], [], [], TIMEOUT)
                assert ready, f"snakemake {' '.join(args)} did not end within {TIMEOUT} s"
                status = int(line.recv(16))
            return status, "".join(file.read_text(errors="replace") for file in files)

    def stop(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.communicate()
        self._places.cleanup()


def _serve(path: str) -> None:
    """Import what is slow, then answer every connection by a fork of its own."""
    for name in PRELOADED:
        importlib.import_module(name)
    assert not any(name.partition(".")[0] == "transfergrid" for name in sys.modules)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(8)
        print("ready", flush=True)
        while True:
            line, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                break
            line.close()
    _answer(line)


def _answer(line: socket.socket) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with line, line.makefile() as text:
        told = json.loads(text.readline())
        child = os.fork()
        if child:
            _, status = os.waitpid(child, 0)
            with contextlib.suppress(OSError):  # nobody waits any more
                line.sendall(b"%d" % os.waitstatus_to_exitcode(status))
            os._exit(0)
    _become(**told)


def _become(args: Sequence[str], cwd: str, env: dict[str, str], files: Sequence[str]) -> Any:
    """Become ``python -m snakemake``, as far as it can tell."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    for number, file in enumerate([os.devnull, *files]):
        opened = os.open(file, flags if number else os.O_RDONLY)
        os.dup2(opened, number)
        os.close(opened)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    places = env.get("PYTHONPATH", "")
    sys.path[:] = [cwd, *filter(None, places.split(os.pathsep)), *sys.path]
    importlib.invalidate_caches()
    sys.modules.pop("sitecustomize", None)
    site.execsitecustomize()
    sys.argv[:] = ["snakemake", *args]
    runpy.run_module("snakemake", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _serve(sys.argv[1])
