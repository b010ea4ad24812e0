"""Names of stamps: ``<owner>.<stage>.<hash8>``, taken apart from the right.

The owner is a study or the id of a data set, of weights or of regions, whose names may hold dots:
study ``one`` and data set ``one.report.x`` are two owners, so no pattern tells their stamps apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transfergrid.runtime.atomic import read_json
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import short_hash

LOCATION = "location"
"""The stage of a note that says where a data set or a weight file is."""

# No owner begins with a dot, as the name does under which another job is just writing a stamp.
_NAME = re.compile(r"([^.].*)\.([a-z]+)\.([0-9a-f]{8})", re.DOTALL)


@dataclass(frozen=True)
class StampName:
    """The name of a stamp's file, in parts."""

    owner: str
    stage: str
    digest: str

    def __str__(self) -> str:
        return f"{self.owner}.{self.stage}.{self.digest}"

    def replaces(self, other: StampName) -> bool:
        """Tell whether a stamp stands for another state of the same stage."""
        return (self.owner, self.stage) == (other.owner, other.stage) and self != other


def stamp_name(name: str) -> StampName | None:
    """Return the parts of a file's name; None if it is not a stamp's."""
    found = _NAME.fullmatch(name)
    return StampName(*found.groups()) if found else None


def stage_of(stamp: Path) -> str:
    """Return the stage to which a stamp belongs.

    Raises:
        UserError: It is not a stamp.
    """
    name = stamp_name(stamp.name)
    if name is None:
        raise UserError(f"{stamp} is not a stamp; name one in results/stamps.")
    return name.stage


def stamps_in(folder: Path) -> Iterator[tuple[StampName, Path]]:
    """Yield every stamp in a folder, by name; none if there is no folder."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        name = stamp_name(path.name)
        if name is not None:
            yield name, path


def replaced_by(stamp: Path) -> list[Path]:
    """Return the stamps of other states of the same stage beside a stamp, by name.

    Args:
        stamp: Path of a stamp, existing or not.
    """
    new = stamp_name(stamp.name)
    return [
        path for name, path in stamps_in(stamp.parent) if new is not None and new.replaces(name)
    ]


def read_named(path: Path) -> dict[str, Any]:
    """Read a stamp; its content must match its name.

    Raises:
        UserError: It was edited, or is damaged.
    """
    name = stamp_name(path.name)
    try:
        content = dict(read_json(path))
        whole = name is not None and short_hash(content) == name.digest
    except (ValueError, TypeError):
        whole = False
    if not whole:
        raise UserError(
            f"{path} does not hold what its name promises; remove it and run snakemake again, "
            "which rewrites it."
        )
    return content
