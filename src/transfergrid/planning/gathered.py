"""A study's cells as its later stages know them, handed on once all of them are scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transfergrid.planning.stamps import stage_of
from transfergrid.planning.unchanged import read_stamp
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import canonical_json, sha256_text
from transfergrid.runtime.sealed import read_sealed, write_sealed

GATHERED = "gathered.json"
"""The file in a study's folder that holds its cells."""


def digest_of(cells: Sequence[Mapping[str, Any]]) -> str:
    """Return 16 hexadecimal digits that stand for a study's cells."""
    return sha256_text(canonical_json(cells))[:16]


def write_gathered(cells: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """Write a study's cells into its folder."""
    write_sealed(folder / GATHERED, {"cells": cells})


def read_study(stamp: Path) -> dict[str, Any]:
    """Read what a study's stage is told, its stamp and the cells, and hold the code it names.

    Args:
        stamp: The stage's stamp, in results/stamps.

    Raises:
        UserError: The code was edited since, a file is damaged, or the cells and the stamp belong
            to different plans.
    """
    study = read_stamp(stamp, stage_of(stamp))
    path = stamp.parents[1] / study["name"] / GATHERED
    try:
        cells = read_sealed(path)["cells"]
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run snakemake, which makes it.") from None
    if digest_of(cells) != study["gathered"]:
        raise UserError(
            f"{path} and {stamp.name} belong to different plans; run snakemake again to plan with "
            "what is there now."
        )
    return {**study, "cells": cells}
