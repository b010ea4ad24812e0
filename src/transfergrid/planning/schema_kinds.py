"""The parts of a study's schema that kinds of data set and of weights declare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from transfergrid.catalog import kinds
from transfergrid.catalog.conventions import CONVENTIONS
from transfergrid.catalog.kinds import DatasetKind, PretrainingKind

SHARED: Mapping[str, tuple[str, str, Any]] = {
    "folds": ("folds", "Cross-validation.", None),
    "image_px": ("image_px", "Side of the cached images.", 320),
    "duplicates": ("duplicates", "Equal images in two splits.", "refuse"),
    "group": ("group", "Near duplicates in one split.", None),
    "resize": ("resize", "Resize rule.", "crop"),
    "white": ("white", "Number that is white in all files.", None),
    "black": ("black", "Number that is black in all files.", 0),
    "channels": ("channels", "Stored channels.", "grey"),
    "aggregate": ("aggregate", "View combination.", "max"),
    "metric": ("primary_metric", "Primary metric.", None),
    "score_tasks": ("score_tasks", "Scored tasks.", None),
}
"""Settings that every kind of data set has: their form in the schema's file, words, default."""


def with_kinds(schema: dict[str, Any]) -> dict[str, Any]:
    """Fill the names and the parts of all kinds into a schema, and return it."""
    parts = schema["$defs"]
    for kind in kinds.DATASET_KINDS:
        if kind.settings:
            parts[kind.name] = _dataset_part(kind)
    for weights in kinds.PRETRAINING_KINDS:
        if weights.settings:
            parts[weights.name] = _part(weights.name, weights.settings, weights.required)
    _choose(parts["dataset"], ((kind.name, kind.name) for kind in kinds.DATASET_KINDS))
    _choose(parts["pretraining"], ((k.name, _name(k)) for k in kinds.PRETRAINING_KINDS))
    parts["input"]["anyOf"][0]["enum"] = [convention.name for convention in CONVENTIONS]
    return schema


def _name(kind: PretrainingKind) -> str:
    return kind.schema or kind.name


def _choose(part: dict[str, Any], names: Iterable[tuple[str, str]]) -> None:
    """Make a part of the schema go by its kind: `names` are of kinds and of their parts."""
    pairs = list(names)
    allowed = [kind for kind, _ in pairs]
    part["properties"]["kind"]["anyOf"].insert(0, {"enum": allowed})
    part["properties"]["kind"]["description"] = (
        f"{', '.join(allowed)}, or module:function of your own."
    )
    part["allOf"] = [
        *(
            {"if": {"properties": {"kind": {"const": kind}}}, "then": {"$ref": f"#/$defs/{name}"}}
            for kind, name in pairs
        ),
        *part["allOf"],
    ]


def _dataset_part(kind: DatasetKind) -> dict[str, Any]:
    shared = {
        key: {"$ref": f"#/$defs/{form}", "description": words, "default": default}
        for key, (form, words, default) in SHARED.items()
    }
    root = {"type": "string", "minLength": 1, "description": "Where it lies.", "default": ""}
    place = {"root": root} if kind.rooted else {}
    required = (*(["root"] if kind.rooted else []), *kind.required)
    return _part(kind.name, {**place, **shared, **kind.settings}, required)


def _part(
    name: str, settings: Mapping[str, Mapping[str, Any]], required: Iterable[str]
) -> dict[str, Any]:
    kind = {"type": "string", "description": name}
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["kind", *required],
        "properties": {"kind": kind, **{key: dict(part) for key, part in settings.items()}},
    }
