"""Snakemake, and the rules' programs, started by forks of processes that have imported a lot.

A test asks Snakemake what it would do some hundred times, and a third of that is the import of
other people's packages; of a program that trains a tiny network for a second it is most. None of
the project's modules are imported before the fork, because tests run edited copies of them.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import shlex
import signal
import site
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

PRELOADED: Mapping[str, Sequence[str]] = {
    "snakemake": (
        *("snakemake.cli", "snakemake.executors.local", "docutils.core", "jinja2", "jsonschema"),
        *("numpy", "pandas", "PIL.Image", "pyarrow", "requests", "smart_open", "yaml", "yte"),
    ),
    "programs": (
        *("torch", "timm", "torchvision.transforms", "torch.utils.flop_counter"),
        *("pandas", "pyarrow.dataset", "pyarrow.pandas_compat", "pyarrow.parquet"),
        *("scipy.stats", "statsmodels.stats.multitest", "safetensors.torch", "jsonschema"),
        *("matplotlib.figure", "matplotlib.backends.backend_svg", "PIL.Image", "jinja2", "yaml"),
    ),
}
"""What the process of each kind has imported."""
TIMEOUT = 800
CLIENT = """\
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as line:
    line.connect(sys.argv[1])
    socket.send_fds(line, [b" "], [0, 1, 2])
    told = {"args": sys.argv[2:], "cwd": os.getcwd(), "env": dict(os.environ)}
    line.sendall(json.dumps(told).encode() + b"\\n")
    sys.exit(int(line.recv(16) or 1))
"""
PYTHON = """\
#!/bin/sh
case "$1" in
*.py | -m) exec {python} -IS {client} {path} "$@" ;;
*) exec {python} "$@" ;;
esac
"""
"""The interpreter of a rule's shell: starts programs and modules by a fork, and all else itself."""


class Server:
    """A process that is forked; several threads and processes may ask it at once."""

    def __init__(self, kind: str) -> None:
        # A socket's path may have no more than about a hundred characters.
        self._places = tempfile.TemporaryDirectory(prefix="warm")
        self._path = str(Path(self._places.name) / "socket")
        started = [sys.executable, "-P", __file__, kind, self._path]
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        self._process = subprocess.Popen(started, env=environment, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"
        # In a folder of its own, which a rule's shell gets in its PATH.
        self.python = Path(self._places.name) / "bin" / "python"
        self.python.parent.mkdir()
        client = self.python.with_name("client.py")
        client.write_text(CLIENT)
        words = {"python": sys.executable, "client": str(client), "path": self._path}
        quoted = {name: shlex.quote(word) for name, word in words.items()}
        self.python.write_text(PYTHON.format(**quoted))
        self.python.chmod(0o755)

    def run(
        self, args: Sequence[str], cwd: Path, env: dict[str, str], python: str
    ) -> tuple[int, str]:
        """Do ``python -m snakemake ARGS`` there; return its status and what it printed.

        Args:
            args: What follows.
            cwd: Its folder.
            env: Its environment.
            python: What Snakemake takes for its interpreter.
        """
        told = {"args": args, "cwd": str(cwd), "env": env, "python": python}
        with (
            tempfile.TemporaryFile(dir=self._places.name) as stdout,
            tempfile.TemporaryFile(dir=self._places.name) as stderr,
            open(os.devnull) as stdin,
            socket.socket(socket.AF_UNIX) as line,
        ):
            line.connect(self._path)
            files = [stdin.fileno(), stdout.fileno(), stderr.fileno()]
            socket.send_fds(line, [b" "], files)
            line.sendall(json.dumps(told).encode() + b"\n")
            ready, _, _ = select.select([line], [], [], TIMEOUT)
            assert ready, f"snakemake {' '.join(args)} did not end within {TIMEOUT} s"
            status = int(line.recv(16))
            texts = []
            for file in (stdout, stderr):
                file.seek(0)
                texts.append(file.read().decode(errors="replace"))
        return status, "".join(texts)

    def stop(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.communicate()
        self._places.cleanup()


def _serve(kind: str, path: str) -> None:
    """Import what is slow, then answer every connection by a fork of its own."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        print("ready", flush=True)  # whoever asks early waits
        for name in PRELOADED[kind]:
            importlib.import_module(name)
        if kind == "snakemake":  # which looks through all packages for its plugins
            importlib.import_module("snakemake.cli").get_argument_parser()
        assert not any(name.partition(".")[0] == "transfergrid" for name in sys.modules)
        gc.freeze()  # no fork looks for garbage in what it shares
        while True:
            line, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                break
            line.close()
    _answer(line, {"snakemake": _snakemake, "programs": _program}[kind])


def _answer(line: socket.socket, run: Callable[..., None]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with line:
        _, files, _, _ = socket.recv_fds(line, 1, 3)
        with line.makefile() as text:
            told = json.loads(text.readline())
        child = os.fork()
        if child:
            _, status = os.waitpid(child, 0)
            with contextlib.suppress(OSError):  # nobody waits any more
                line.sendall(b"%d" % os.waitstatus_to_exitcode(status))
            os._exit(0)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(told["cwd"])
    os.environ.clear()
    os.environ.update(told["env"])
    run(told)


def _become(first: str, argv: Sequence[str], env: Mapping[str, str]) -> None:
    """Have the path and the words of a new interpreter, whose path begins with `first`."""
    places = env.get("PYTHONPATH", "")
    sys.path[:] = [first, *filter(None, places.split(os.pathsep)), *sys.path]
    importlib.invalidate_caches()
    sys.modules.pop("sitecustomize", None)
    site.execsitecustomize()
    sys.argv[:] = argv


def _snakemake(told: Mapping[str, Any]) -> None:
    """Become ``python -m snakemake``, as far as it can tell."""
    _become(told["cwd"], ["snakemake", *told["args"]], told["env"])
    sys.executable = told["python"]
    _end(lambda: runpy.run_module("snakemake", run_name="__main__", alter_sys=True))


def _program(told: Mapping[str, Any]) -> None:
    """Become ``python PROGRAM`` or ``python -m MODULE``, as far as it can tell."""
    first, *others = told["args"]
    if first == "-m":
        _become(told["cwd"], others, told["env"])
        _end(lambda: runpy.run_module(others[0], run_name="__main__", alter_sys=True))
    _become(str(Path(first).parent.resolve()), told["args"], told["env"])
    _end(lambda: runpy.run_path(first, run_name="__main__"))


def _end(run: Callable[[], object]) -> NoReturn:
    """Run something and end as Python does, but do not take apart what was imported.

    With torch and timm that would take half a second.
    """
    status: object = 0
    try:
        run()
    except SystemExit as end:
        status = end.code or 0
        if not isinstance(status, int):
            print(status, file=sys.stderr)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
    except OSError:
        status = 120
    os._exit(status & 0xFF if isinstance(status, int) else 1)


if __name__ == "__main__":
    _serve(*sys.argv[1:])
