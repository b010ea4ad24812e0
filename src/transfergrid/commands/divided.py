"""Into which parts films go where nobody has said so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from transfergrid.commands.guesses import Guess
from transfergrid.data.kinds import checked
from transfergrid.data.manifest import Manifest
from transfergrid.data.splits import random_split
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import seeded

SHARES = {"valid": 0.15, "test": 0.25}
"""Of the patients, where no one says which part they are in."""
SEEDS = 20
"""How many draws of a split are tried, until each part has each class."""

Parts = Literal["settings", "files"]


@dataclass(frozen=True)
class Divided:
    """A data set with its parts.

    Attributes:
        manifest: What it holds, checked.
        guesses: The settings that divide it, each with its reason.
    """

    manifest: Manifest
    guesses: list[Guess]


def divided(
    manifest: Manifest, declaration: Mapping[str, Any], root: Path, parts: Parts
) -> Divided:
    """Put films into the parts that were published, else into a split.

    Args:
        manifest: What the data set's reader returned.
        declaration: Its settings.
        root: Where it lies.
        parts: Who says which part a film is in, see `transfergrid.commands.found.Found`.

    Raises:
        UserError: No draw leaves each class in each part.
    """
    own = parts == "files" or bool(declaration.get("split"))
    if own:
        return Divided(checked(manifest, declaration, root), [])
    return _in_split(manifest, declaration, root)


def _in_split(manifest: Manifest, declaration: Mapping[str, Any], root: Path) -> Divided:
    groups = manifest.table["patient_id"].to_numpy(dtype=str)
    units = "patient by patient" if manifest.patients_known else "image by image"
    faults: list[UserError] = []
    for seed in range(SEEDS):
        rng = np.random.default_rng(seeded("split", seed))
        drawn = random_split(groups, SHARES, "train", rng)
        try:
            whole = checked(
                replace(manifest, table=manifest.table.assign(split=drawn)), declaration, root
            )
        except UserError as fault:
            faults.append(fault)
            continue
        why = f"no column or folder says train, valid and test: drawn, {units}"
        why += f"; with seeds 0 to {seed - 1} a part lacked a class" if seed else ""
        return Divided(whole, [Guess("split", {"random": dict(SHARES), "seed": seed}, why)])
    raise faults[0]
