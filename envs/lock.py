"""Write requirements.lock: what pyproject.toml needs, at the versions installed beside this Python.

``make lock`` calls it in a fresh environment. Only packages that something needs are written, in
one section for what runs a study and one for each extra; a package stands in the first section
that needs it. Packages that only Linux needs carry a marker, so that the file installs on macOS.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from transfergrid.runtime.atomic import write_text
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.program import run_program

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "envs" / "requirements.lock"
PYTHON = "3.11"
EXTRAS = ("demo", "dicom", "nifti", "report", "slurm", "test", "lint")
LINUX = {"platform_system": "Linux", "sys_platform": "linux", "platform_machine": "x86_64"}
MACOS = {"platform_system": "Darwin", "sys_platform": "darwin", "platform_machine": "arm64"}

HEADER = f"""\
# Every package of the environment, for Python {PYTHON}. Made by `make lock`; do not edit.
# To use it: python{PYTHON} -m venv .venv
#            .venv/bin/pip install -r envs/requirements.lock
#            .venv/bin/pip install --no-deps -e .
"""


def declared(group: str) -> list[Requirement]:
    """Return the requirements that pyproject.toml declares for "run" or for an extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    words = project["dependencies"] if group == "run" else project["optional-dependencies"][group]
    return [Requirement(word) for word in words]


def closure(requirements: Iterable[Requirement], system: dict[str, str]) -> set[str]:
    """Return the canonical names of all packages that the requirements need on a system.

    Args:
        requirements: Where to start.
        system: Values that replace this machine's in environment markers.

    Raises:
        UserError: A needed package is not installed.
    """
    seen: set[tuple[str, str]] = set()
    waiting = list(requirements)
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        for extra in ("", *sorted(requirement.extras)):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            for word in _requires(name):
                needed = Requirement(word)
                if not needed.marker or needed.marker.evaluate({**system, "extra": extra}):
                    waiting.append(needed)
    return {name for name, _ in seen}


def _requires(name: str) -> list[str]:
    try:
        return metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        raise UserError(
            f"the package {name} is needed but not installed; run `make lock`, "
            "which installs everything that pyproject.toml names into a fresh environment"
        ) from None


def lock_text() -> str:
    """Return the lock of the running environment."""
    lines = [HEADER]
    written: set[str] = set()
    anywhere = closure([r for group in ("run", *EXTRAS) for r in declared(group)], MACOS)
    for group in ("run", *EXTRAS):
        names = closure(declared(group), LINUX) - written
        written |= names
        lines.append(f"# {group}")
        for name in sorted(names):
            marker = "" if name in anywhere else ' ; platform_system == "Linux"'
            lines.append(f"{name}=={metadata.version(name)}{marker}")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Write the lock, in the Python that it is for."""
    if sys.version_info[:2] != tuple(int(part) for part in PYTHON.split(".")):
        raise UserError(
            f"the lock is for Python {PYTHON}, the oldest supported, and this is Python "
            f"{sys.version_info[0]}.{sys.version_info[1]}; run `make lock PYTHON=python{PYTHON}`"
        )
    write_text(LOCK, lock_text())


if __name__ == "__main__":
    run_program(main)
