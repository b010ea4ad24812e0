"""The name of a cell, out of its specification."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transfergrid.runtime.hashing import short_hash


def cell_name(spec: Mapping[str, Any]) -> str:
    """Return the name of the cell that a specification describes, hash included.

    The form is ``<dataset>-<architecture>-<pretraining>-drop<k>-<protocol>-seed<s>-<hash8>``.
    """
    axes = spec["cell"]
    return (
        f"{axes['dataset']}-{axes['architecture']}-{axes['pretraining']}-drop{axes['truncation']}-"
        f"{axes['protocol']}-seed{axes['seed']}-{short_hash(spec)}"
    )
