"""The setting of kinds of data set whose films may be slices of NIfTI volumes."""

from __future__ import annotations

from collections.abc import Mapping

from transfergrid.catalog.dataset_kind import Setting

NIFTI: Mapping[str, Setting] = {
    "nifti": {
        "$ref": "#/$defs/nifti",
        "description": "Which slices of NIfTI volumes films are; null if they are image files.",
        "default": None,
    }
}
