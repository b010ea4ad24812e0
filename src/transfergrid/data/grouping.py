"""Groups of near duplicates in the part of patients: no drawn split or fold tears one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from transfergrid.data.folds import Ids, whole_units
from transfergrid.data.manifest import Manifest


def in_groups(manifest: Manifest, declaration: Mapping[str, Any], groups: Ids) -> Manifest:
    """Keep near duplicates together, wherever the data set's splits or folds are drawn.

    A group and all images of its patients go where the first of these patients, by name, was drawn;
    folds are drawn anew. Published splits and folds stay as they are. Where patients are unknown, a
    group counts as one: within a published split, what is there of it.

    Args:
        manifest: What a reader returned.
        declaration: The data set's settings.
        groups: (N,) the group of each image.
    """
    table = manifest.table
    patients = table["patient_id"].to_numpy(dtype=str)
    units = whole_units(whole_units(patients, manifest.groups), groups)
    folds = declaration.get("folds")
    if folds:
        if folds.get("file") or folds.get("column"):
            return manifest
        manifest, people = replace(manifest, groups=units), units
    else:
        split = table["split"].to_numpy(dtype=str)
        if manifest.drawn:
            split = _of_the_first(units, patients, split)
            table = table.assign(split=split)
        people = whole_units(patients, np.char.add(np.char.add(units, "\1"), split))
    if manifest.patients_known:
        return replace(manifest, table=table)
    return replace(manifest, table=table.assign(patient_id=people), joined=True)


def _of_the_first(units: Ids, patients: Ids, split: Ids) -> Ids:
    """Return for each image the split of the patient after whom its unit is called."""
    names, row = np.unique(patients, return_index=True)
    return split[row[np.searchsorted(names, units)]]
