"""Load weight files as the weights step will, in a separate process: torch is slow to import."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from transfergrid.planning.inputs import Weights
from transfergrid.runtime.errors import UserError, printable
from transfergrid.runtime.progress import progress

_START_S = 120.0
_FILE_S = 60.0


def read_files(files: Sequence[Weights]) -> Iterator[tuple[Weights, str]]:
    """Load weight files and compare them with their networks.

    Args:
        files: Weights of kind ``file``.

    Yields:
        Each of them, with a sentence that says what is wrong, empty if nothing is.
    """
    if not files:
        return
    notes = "".join(f"{json.dumps(weights.location)}\n" for weights in files)
    command = [sys.executable, "-m", __name__]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdin and process.stdout
        timer = threading.Timer(_START_S + _FILE_S * len(files), process.kill)
        timer.start()
        try:
            with contextlib.suppress(BrokenPipeError), process.stdin:
                process.stdin.write(notes)
            for weights in progress(files, len(files), "weight files"):
                line = process.stdout.readline()
                if not line:
                    status = process.wait()
                    yield weights, _ended(weights, status)
                    return
                yield weights, json.loads(line)["fault"]
        finally:
            timer.cancel()
            process.kill()


def _ended(weights: Weights, status: int) -> str:
    reason = "killed, perhaps for lack of memory" if status < 0 else f"exit status {status}"
    return f"{weights.path} could not be read: the process that read it ended ({reason})."


def main() -> None:
    """Answer each note on stdin with a line of JSON on stdout."""
    answers = sys.stdout
    # A user's own network may print.
    with contextlib.redirect_stdout(sys.stderr):
        from transfergrid.models.pretraining import fetch

        for line in sys.stdin:
            note = json.loads(line)
            fault = ""
            try:
                fetch(note["declaration"], note["architecture"], Path(note["path"]))
            except UserError as error:
                fault = str(error)
            except Exception as error:  # a user's own network may fail in any way
                told = printable(error, 300)
                fault = f"{note['path']} could not be loaded ({type(error).__name__}: {told})."
            answers.write(json.dumps({"fault": fault}) + "\n")
            answers.flush()


if __name__ == "__main__":
    main()
