"""What the stored outputs of networks have in common: features, and activations of states."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transfergrid.catalog.derivation import ALL
from transfergrid.planning.fingerprint import stage_fingerprint
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import short_hash


def follow_seed(weights: Mapping[str, Any]) -> bool:
    """Tell whether initial weights differ from seed to seed, because some of them are drawn.

    The classifier, which is always drawn, does not count.

    Args:
        weights: ``weights`` of a cell's specification.
    """
    derive = weights.get("derive")
    if weights.get("keep") == "statistics" or (derive and derive.get("through") != ALL):
        return True
    return not (weights["id"] or weights["source_cell"])


def hash_of(made_from: Mapping[str, Any], stage: str) -> str:
    """Return the hash that ends an id: of what the outputs are made from, and a stage's code."""
    return short_hash({**made_from, "code": stage_fingerprint(stage)})


def check_planned(found: str, made_from: Mapping[str, Any], stage: str, does: str) -> None:
    """Stop a job if what it would make is no longer what was planned.

    Args:
        found: The id that was planned.
        made_from: What decides the outputs.
        stage: The stage that makes them.
        does: What its code does, such as "makes features".

    Raises:
        UserError: That code was edited since.
    """
    if found.rpartition("-")[2] != hash_of(made_from, stage):
        raise UserError(
            f"the code that {does} was edited after {found} was planned; run snakemake again to "
            "plan with what is there now."
        )
