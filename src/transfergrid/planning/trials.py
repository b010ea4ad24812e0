"""What has to be tried to be known, tried in a process of its own: it has torch, and may crash."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from transfergrid.planning.fingerprint import SOURCE


def tried_apart(module: str, trials: str, seconds: int, errors: int | None = None) -> Any:
    """Return what a module answers, as JSON, to JSON on its standard input.

    It is imported as in a job: from this package and from PYTHONPATH, not from here.

    Args:
        module: Its full name.
        trials: The JSON.
        seconds: How long it may take.
        errors: Where its standard error goes, as of `subprocess.run`; by default, this one's.

    Raises:
        subprocess.SubprocessError: It took longer, or failed.
        OSError: It could not be started.
        ValueError: What it printed is no JSON.
    """
    paths = [str(SOURCE.parent), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-P", "-m", module],
        input=trials,
        stdout=subprocess.PIPE,
        stderr=errors,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        text=True,
        timeout=seconds,
        check=True,
    )
    return json.loads(done.stdout)
