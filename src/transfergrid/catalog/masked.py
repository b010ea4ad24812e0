"""Kinds of data set whose tasks are structures, with a mask of each in every film."""

from __future__ import annotations

from typing import Any

from transfergrid.catalog.compared_masks import compared
from transfergrid.catalog.dataset_kind import DICOM, DatasetKind, Described, Setting
from transfergrid.catalog.nifti import NIFTI

_EXCLUSIVE: Setting = {
    "description": "Whether a pixel belongs to one structure at most (a softmax over structures "
    "and background; otherwise each has a sigmoid of its own).",
    "type": "boolean",
    "default": False,
}
_COLUMN: Setting = {"type": "string", "minLength": 1}
_COLOURS: Setting = {
    "$ref": "#/$defs/channels",
    "description": "Stored channels.",
    "default": "rgb",
}


def _column(words: str, default: str | None = None) -> dict[str, Any]:
    return {"type": ["string", "null"], "description": words, "default": default}


def _numbers(words: str) -> dict[str, Any]:
    return {"$ref": "#/$defs/mask_numbers", "description": words, "default": []}


_CODING: dict[str, Setting] = {
    "values": {
        "description": "The numbers of each structure in a mask that shows several.",
        "type": ["object", "null"],
        "additionalProperties": {"$ref": "#/$defs/mask_numbers"},
        "default": None,
    },
    "unknown_values": _numbers("Numbers of pixels of which nobody knows."),
}


def _patients(split: str, default: int) -> dict[str, Any]:
    return {"$ref": "#/$defs/patients", "description": f"Patients in {split}.", "default": default}


MASKED: tuple[DatasetKind, ...] = (
    DatasetKind(
        "mask_table",
        "transfergrid.data.masked_table:read",
        task_kinds=("segmentation",),
        tables="transfergrid.planning.label_tables:of_mask_table",
        columns=True,
        divides_as={"kind": "csv", "study_column": None},
        count="transfergrid.commands.images:of_reader",
        check="transfergrid.planning.meaning:check_split",
        observers="transfergrid.planning.observers:of_layers",
        described=Described("transfergrid.planning.label_tables:tables_of_study"),
        leads="root, image_folders and image_column",
        settings={
            "table": {
                "type": "string",
                "description": "Table in root, a row a film: .csv, .tsv or .parquet.",
                "default": "",
            },
            "separator": {
                "description": "What separates its cells; null goes by the file's ending.",
                "enum": [",", ";", "\t", "|", None],
                "default": None,
            },
            "image_column": {
                "type": "string",
                "description": "Column of the films' paths.",
                "default": "image",
            },
            "image_folders": {
                "description": "Folders in root to which paths of films are relative; empty takes "
                "root itself.",
                "type": "array",
                "uniqueItems": True,
                "items": {"type": "string", "minLength": 1},
                "default": [],
            },
            "layers": {
                "description": "How masks are written, an entry for structures that lie together.",
                "type": "array",
                "minItems": 1,
                "items": {"$ref": "#/$defs/mask_layer"},
                "default": [],
                "x-example": "layers: [{ structures: [lung], files: [left_mask, right_mask] }]",
            },
            "field_of_view": {
                "description": "Masks of what films show, as a layer without structures; nothing "
                "is known outside. null is the whole film.",
                "anyOf": [{"$ref": "#/$defs/mask_layer"}, {"type": "null"}],
                "default": None,
            },
            "exclusive": _EXCLUSIVE,
            **compared(_COLUMN, words="a number, or a column of the table"),
            "patient_column": _column("Column of patient ids; null if there are none."),
            "view_column": _column("Column of view names; null if there are none."),
            "split": {
                "$ref": "#/$defs/split",
                "description": "How films are split, unless there are folds.",
                "default": None,
            },
            "channels": _COLOURS,
            **DICOM,
            **NIFTI,
        },
        required=("table", "image_column", "layers"),
    ),
    DatasetKind(
        "mask_npz",
        "transfergrid.data.masked_npz:read",
        arrays=True,
        task_kinds=("segmentation",),
        tables="transfergrid.planning.label_tables:of_archive",
        official=(),
        divides_as={"kind": "medmnist"},
        count="transfergrid.commands.images:of_mask_archive",
        check="transfergrid.planning.observers:check_arrays",
        observers="transfergrid.planning.observers:of_arrays",
        settings={
            "structures": {
                "description": "Names of the structures, in the order of their masks.",
                "type": "array",
                "minItems": 1,
                "uniqueItems": True,
                "items": {"$ref": "#/$defs/word"},
                "default": [],
            },
            "masks": {
                "description": "Endings of the names of the masks' arrays, one for each observer: "
                "[masks] is train_masks, val_masks and test_masks.",
                "type": "array",
                "minItems": 1,
                "uniqueItems": True,
                "items": {"type": "string", "minLength": 1},
                "default": ["masks"],
            },
            "combine": {
                "$ref": "#/$defs/mask_rule",
                "description": "How several observers become one.",
                "default": "first",
            },
            "observers": {
                "description": "Endings of the names of further observers' arrays, with whom "
                "nothing is learned or scored: they are compared with the first one. Not part of a "
                "cell.",
                "type": "array",
                "uniqueItems": True,
                "items": {"type": "string", "minLength": 1},
                "default": [],
                "x-example": "observers: [masks_observer2]",
            },
            **_CODING,
            "exclusive": _EXCLUSIVE,
            **compared(),
            "channels": _COLOURS,
        },
        required=("structures",),
    ),
    DatasetKind(
        "mask_phantom",
        "transfergrid.data.masked_phantom:read",
        rooted=False,
        arrays=True,
        task_kinds=("segmentation",),
        official=(),
        patients={},
        same=("set", "seed"),
        divides_as={"kind": "phantom"},
        count="transfergrid.commands.images:of_mask_phantom",
        cites="drawn by TransferGrid; nothing to cite beside it.",
        settings={
            "set": {
                "description": "chest draws the frontal films of the phantom's patients.",
                "enum": ["chest"],
                "default": "chest",
            },
            "structures": {
                "description": "What has masks: aerated lung, and the heart's shadow.",
                "type": "array",
                "minItems": 1,
                "uniqueItems": True,
                "items": {"enum": ["lung", "heart"]},
                "default": ["lung", "heart"],
            },
            "patients": _patients("train", 1000),
            "valid_patients": _patients("valid", 150),
            "test_patients": _patients("test", 300),
            "seed": {
                "$ref": "#/$defs/seed",
                "description": "Seed of every drawing.",
                "default": 0,
            },
            **compared(),
        },
    ),
)
