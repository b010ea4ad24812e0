"""R, for tests that compare with it on the spot."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def rscript(file: Path, folder: Path) -> str:
    """Run an R script in a folder and return what it prints.

    Skips the test where R or pROC is missing; with TRANSFERGRID_REQUIRE_R (.ci/run) it fails.
    """
    found = shutil.which("Rscript")
    has = found and subprocess.run(
        [found, "-e", 'quit(status = !requireNamespace("pROC", quietly = TRUE))'],
        capture_output=True,
        check=False,
        timeout=120,
    )
    if not has or has.returncode:
        reason = "R with pROC is not installed (Debian: r-cran-proc)"
        if os.environ.get("TRANSFERGRID_REQUIRE_R"):
            pytest.fail(reason)
        pytest.skip(reason)
    done = subprocess.run(
        [str(found), str(file.absolute())],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
