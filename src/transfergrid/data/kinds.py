"""From a declaration to a checked manifest: one reader per kind of data set."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transfergrid.data.crossvalidation import cross_validated
from transfergrid.data.declared import kinds
from transfergrid.data.folds import Ids
from transfergrid.data.grouping import in_groups
from transfergrid.data.manifest import TASK_KINDS, Manifest, validate
from transfergrid.runtime.errors import UserError, listed, suggest


def read_manifest(declaration: Mapping[str, Any], root: Path | None) -> Manifest:
    """Read and check the manifest of a declared data set, see `read_unchecked` and `checked`.

    With ``group: duplicates`` it is what it would be if no image had a near duplicate: which have
    is known when all of them have been decoded.

    Args:
        declaration: The data set's settings; ``kind`` chooses the reader, which gets them all.
        root: Where the data lie; for the phantom, a scratch folder that it draws into.

    Raises:
        UserError: An unknown kind, a missing root, or any fault that the reader or `checked` finds.
    """
    return checked(read_unchecked(declaration, root), declaration, root)


def checked(
    manifest: Manifest,
    declaration: Mapping[str, Any],
    root: Path | None,
    groups: Ids | None = None,
) -> Manifest:
    """Put a manifest's images into splits or folds as declared, and check all of it.

    Args:
        manifest: What `read_unchecked` returned.
        declaration: The data set's settings.
        root: Where the data lie.
        groups: (N,) the group of near duplicates that each image belongs to, where they are asked
            for; None as long as they are not known.

    Raises:
        UserError: Any fault that `transfergrid.data.manifest.validate` or `cross_validated` finds.
    """
    if declaration.get("group"):
        alone = manifest.table["image_id"].to_numpy(dtype=str)
        manifest = in_groups(manifest, declaration, alone if groups is None else groups)
    if declaration.get("folds"):
        return cross_validated(manifest, declaration, root)
    return validate(manifest)


def read_unchecked(declaration: Mapping[str, Any], root: Path | None) -> Manifest:
    """Read the manifest of a declared data set as its reader returns it.

    Raises:
        UserError: An unknown kind, a missing root, or any fault that the reader finds.
    """
    kind = str(declaration.get("kind"))
    known = kinds()
    if kind in known and known[kind].rooted and root is None:
        raise UserError(f"a data set of kind {kind} lies somewhere; name the place as its root.")
    reader = known[kind].reader if kind in known else kind
    module, separator, function = reader.partition(":")
    if not (module and separator and function):
        raise UserError(
            f"kind '{kind}' is unknown{suggest(kind, known)}; choose one of {listed(known)} "
            "or name a reader as module:function."
        )
    try:
        read = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise UserError(f"reader '{reader}' cannot be imported ({error}).") from error
    manifest = read(dict(declaration), root)
    if not isinstance(manifest, Manifest):
        raise UserError(
            f"reader '{reader}' returned a {type(manifest).__name__}; return a "
            "transfergrid.data.manifest.Manifest."
        )
    asked = declaration.get("task_kind")
    if not asked and kind not in known and manifest.task_kind not in TASK_KINDS:
        raise UserError(
            f"reader '{reader}' returned a data set that is {manifest.task_kind}; write task_kind: "
            f"{manifest.task_kind} in the study, whose cells are named after that kind's code."
        )
    if asked and manifest.task_kind != asked:
        raise UserError(
            f"reader '{reader}' returned a data set that is {manifest.task_kind}, and the study "
            f"says task_kind: {asked}; correct one of them."
        )
    return manifest
