"""Write transfergrid.yaml, the conda file, from requirements.lock.

The packages come from pip at the lock's versions, so that a rule gives the same numbers with
``--software-deployment-method conda`` and without. Test and lint tools are left out.
"""

from __future__ import annotations

from pathlib import Path

from transfergrid.runtime.atomic import write_text
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.program import run_program

FOLDER = Path(__file__).resolve().parent
SECTIONS = ("run", "demo", "dicom", "nifti", "report")

HEADER = """\
# Made from requirements.lock by `make lock`; do not edit.
name: transfergrid
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python=3.11
  - pip
  - pip:
"""


def sections(lock: str) -> dict[str, list[str]]:
    """Split the text of a lock into its sections, each a list of requirement lines."""
    found: dict[str, list[str]] = {}
    for paragraph in lock.strip().split("\n\n")[1:]:
        title, *lines = paragraph.splitlines()
        found[title.removeprefix("# ")] = lines
    return found


def conda_text(lock: str) -> str:
    """Return the conda file that belongs to a lock.

    Raises:
        UserError: The lock lacks a section.
    """
    found = sections(lock)
    for name in SECTIONS:
        if name not in found:
            raise UserError(
                f"requirements.lock has no section '# {name}'; renew it with `make lock`"
            )
    lines = sorted(line for name in SECTIONS for line in found[name])
    return HEADER + "".join(f"      - {line}\n" for line in lines)


def main() -> None:
    """Write the conda file beside the lock."""
    lock = (FOLDER / "requirements.lock").read_text()
    write_text(FOLDER / "transfergrid.yaml", conda_text(lock))


if __name__ == "__main__":
    run_program(main)
