"""A cell's name, derived from its specification."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transfergrid.runtime.hashing import canonical_json, sha256_text


def cell_name(spec: Mapping[str, Any]) -> str:
    """Return the name of the cell that a specification describes, hash included.

    The form is ``<dataset>-<architecture>-<pretraining>-drop<k>-<protocol>-seed<s>-<hash8>``, with
    ``-fold<f>`` before the hash if the data set is cut into folds.
    """
    return name_of(spec["cell"], sha256_text(canonical_json(spec)))


def fold_of(spec: Mapping[str, Any]) -> int | None:
    """Return the fold that a specification's cell tests on, or None where there are no folds."""
    fold = spec["cell"].get("fold")
    return None if fold is None else int(fold)


def name_of(axes: Mapping[str, Any], digest: str) -> str:
    """Return a cell's name from its place on the axes and its specification's SHA-256."""
    fold = f"-fold{axes['fold']}" if "fold" in axes else ""
    return (
        f"{axes['dataset']}-{axes['architecture']}-{axes['pretraining']}-drop{axes['truncation']}-"
        f"{axes['protocol']}-seed{axes['seed']}{fold}-{digest[:8]}"
    )
