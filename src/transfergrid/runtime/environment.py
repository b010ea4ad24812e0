"""What ran a job: machine, versions, commit. Recorded beside results, never hashed."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

PACKAGES = ("transfergrid", "torch", "torchvision", "timm", "numpy", "scipy", "pandas", "snakemake")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git(*arguments: str) -> str | None:
    root = Path(__file__).resolve().parent
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def environment_record(behind: Iterable[Path] = ()) -> dict[str, object]:
    """Return versions, commit, processor and core count of this process as plain JSON values.

    No host name, user name or path is recorded: results are meant to be published.

    Args:
        behind: The files and folders that results depend on. ``uncommitted_changes`` is about
            these only; by default about the whole repository.
    """
    # Installed in a virtual environment inside another repository, the commit found is not ours.
    ours = _git("ls-files", "--error-unmatch", Path(__file__).name) is not None
    status = _git("status", "--porcelain", "--", *map(str, behind)) if ours else None
    return {
        "python": platform.python_version(),
        "packages": {package: _version(package) for package in PACKAGES},
        "commit": _git("rev-parse", "HEAD") if ours else None,
        "uncommitted_changes": None if status is None else bool(status),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor()
