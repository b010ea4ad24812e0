"""What ran a job: machine, versions, commit. Recorded beside results, never hashed."""

from __future__ import annotations

import dis
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from types import CodeType

from transfergrid.runtime.imports import held_code

PACKAGES = ("transfergrid", "torch", "torchvision", "timm", "numpy", "scipy", "pandas", "snakemake")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def packages_behind(code: Iterable[CodeType]) -> dict[str, str]:
    """Return the versions of the installed packages that modules import, in functions as well.

    What those packages or files beside the modules import themselves is not looked at.

    Args:
        code: What importing each module executes.
    """
    named = {name for part in code for name in _imported(part)} - sys.stdlib_module_names
    if not named:
        return {}
    owners = metadata.packages_distributions()
    packages = {package for name in named for package in owners.get(name, ())}
    found = {package: _version(package) for package in sorted(packages)}
    return {package: version for package, version in found.items() if version}


def _imported(code: CodeType) -> Iterator[str]:
    """Yield the first part of each name that code imports."""
    for step in dis.get_instructions(code):
        if step.opname == "IMPORT_NAME":
            yield str(step.argval).partition(".")[0]
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _imported(constant)


def _own_packages() -> dict[str, str]:
    """Return the packages behind users' own modules, which this process holds."""
    ours = Path(__file__).resolve().parents[1].name
    held = held_code().items()
    return packages_behind(one.code for name, one in held if name.partition(".")[0] != ours)


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

    No host name, user name or path is recorded: results are meant to be published. Beside the
    packages that results depend on are those that held modules of users' own import.

    Args:
        behind: The files and folders that results depend on. ``uncommitted_changes`` is about
            these only; by default about the whole repository.
    """
    # Installed in a virtual environment inside another repository, the commit found is not ours.
    ours = _git("ls-files", "--error-unmatch", Path(__file__).name) is not None
    status = _git("status", "--porcelain", "--", *map(str, behind)) if ours else None
    return {
        "python": platform.python_version(),
        "packages": {**_own_packages(), **{package: _version(package) for package in PACKAGES}},
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
