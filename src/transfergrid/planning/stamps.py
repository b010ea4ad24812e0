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
"""The stage of a note that says where a data set or a weight file lies."""

_NAME = re.compile(r"(.+)\.([a-z]+)\.([0-9a-f]{8})", re.DOTALL)


@dataclass(frozen=True)
class StampName:
    """The name of a stamp's file, in its parts."""

    owner: str
    stage: str
    digest: str

    def __str__(self) -> str:
        return f"{self.owner}.{self.stage}.{self.digest}"

    def replaces(self, other: StampName) -> bool:
        """Tell whether a stamp stands for another state of the same owner's stage."""
        return (self.owner, self.stage) == (other.owner, other.stage) and self != other


def stamp_name(name: str) -> StampName | None:
    """Return the parts of a file's name; None where it is no stamp's."""
    found = _NAME.fullmatch(name)
    return StampName(*found.groups()) if found else None


def stage_of(stamp: Path) -> str:
    """Return the stage that a stamp is of.

    Raises:
        UserError: It is no stamp.
    """
    name = stamp_name(stamp.name)
    if name is None:
        raise UserError(f"{stamp} is no stamp; name one of results/stamps.")
    return name.stage


def stamps_in(folder: Path) -> Iterator[tuple[StampName, Path]]:
    """Yield every stamp of a folder in the order of names; none where there is no folder."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        name = stamp_name(path.name)
        if name is not None:
            yield name, path


def replaced_by(stamp: Path) -> list[Path]:
    """Return the other states of a stamp's stage that lie beside it, in the order of names.

    Args:
        stamp: Path of a stamp, there or not.
    """
    new = stamp_name(stamp.name)
    return [
        path for name, path in stamps_in(stamp.parent) if new is not None and new.replaces(name)
    ]


def read_named(path: Path) -> dict[str, Any]:
    """Read a stamp; its content must be what its name promises.

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
            f"{path} is not the stamp that its name promises; remove it and run snakemake again, "
            "which makes it again."
        )
    return content
