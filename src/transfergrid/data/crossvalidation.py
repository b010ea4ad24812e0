"""A manifest cut into folds: its splits pooled, its parts drawn or read, and all of it checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from transfergrid.data.declared import has_splits
from transfergrid.data.folds import (
    Folds,
    Ids,
    draw,
    from_column,
    from_file,
    whole_units,
    with_validation,
)
from transfergrid.data.manifest import (
    Manifest,
    check_labels,
    check_one_patient,
    check_rows,
    check_shown,
    counted,
    people_notes,
    refuse_one_class,
)
from transfergrid.data.store import SPLITS, part_name
from transfergrid.runtime.errors import UserError, listed


def cross_validated(
    manifest: Manifest, declaration: Mapping[str, Any], root: Path | None
) -> Manifest:
    """Cut a manifest into the folds that its data set declares; its own splits are forgotten.

    Args:
        manifest: What a reader returned.
        declaration: The data set's settings, ``folds`` among them.
        root: Where the data lie.

    Raises:
        UserError: Folds that cannot be drawn, published ones that do not fit the images, or any
            other fault of the manifest.
    """
    options = declaration["folds"]
    table = manifest.table.assign(split="all")
    check_rows(replace(manifest, table=table))
    check_one_patient(table)
    patients = table["patient_id"].to_numpy(dtype=str)
    image_ids = table["image_id"].to_numpy(dtype=str)
    units = whole_units(patients, manifest.groups)
    if options.get("file"):
        home = _home(root)
        folds = from_file(home / options["file"], image_ids, int(options["k"]))
        how = f"as published in {options['file']}"
    elif options.get("column"):
        folds, how = _published(manifest, options, units)
    else:
        folds, how = _drawn(manifest, options, units)
    _check_whole("patient", patients, folds)
    if manifest.groups is not None:
        _check_whole("group", manifest.groups, folds)
    pooled = " Its own splits were pooled." if has_splits(declaration["kind"]) else ""
    note = f"Cross-validation in {folds.k} folds, {how}: each image is tested in one.{pooled}"
    names = np.array([part_name(number) for number in range(folds.k)])
    manifest = replace(manifest, table=table.assign(split=names[folds.part]), folds=folds)
    scored = manifest.table.copy()
    scored[list(manifest.tasks)] = truth(manifest)
    check_labels(manifest, np.ones(len(scored), np.bool_), scored)
    notes = (*manifest.notes, note, *check_classes(manifest, folds), *people_notes(manifest))
    return replace(manifest, notes=tuple(dict.fromkeys(notes)))


def _home(root: Path | None) -> Path:
    if root is None:
        raise UserError("folds.file is a table in root, and the data set has no root.")
    return root if root.is_dir() else root.parent


def _published(manifest: Manifest, options: Mapping[str, Any], units: Ids) -> tuple[Folds, str]:
    if manifest.published is None:
        raise UserError(
            "folds.column is given, and the reader returned no published folds; have it fill "
            "Manifest.published, or draw the folds."
        )
    part, names = from_column(manifest.published, options)
    how = f"as published in the column {options['column']} ({listed(names, 10)})"
    return with_validation(options, units, part), how


def _drawn(manifest: Manifest, options: Mapping[str, Any], units: Ids) -> tuple[Folds, str]:
    by = options.get("by")
    if by == "group" and manifest.groups is None:
        raise UserError(
            "folds.by is group, and the reader returned no groups; have it fill Manifest.groups, "
            "or take another by."
        )
    if by is None:
        known = "patient" if manifest.patients_known else "stratified"
        by = "group" if manifest.groups is not None else known
    patients = "patients" if manifest.patients_known else "images"
    if not manifest.patients_known and manifest.studies_known:
        patients = "studies"
    what = "groups" if manifest.groups is not None else patients
    if by == "stratified":
        labels = truth(manifest)[:, [manifest.tasks.index(t) for t in manifest.score_tasks]]
        return draw(options, units, labels, what), f"{what} dealt out by their labels"
    return draw(options, units, None, what), f"{what} drawn at random"


def _check_whole(what: str, ids: Ids, folds: Folds) -> None:
    """Check that all images of a patient, or of a group, are in one split of each fold."""
    names, of_row = np.unique(ids, return_inverse=True)
    for fold in range(folds.k):
        split = np.select([folds.rows(s, fold) for s in SPLITS], range(len(SPLITS)))
        low = np.full(len(names), len(SPLITS))
        high = np.full(len(names), -1)
        np.minimum.at(low, of_row, split)
        np.maximum.at(high, of_row, split)
        torn = np.flatnonzero(low != high)
        if len(torn):
            first = torn[0]
            others = f" ({len(torn)} {what}s are split)" if len(torn) > 1 else ""
            raise UserError(
                f"{what} {names[first]} is in {SPLITS[low[first]]} and in {SPLITS[high[first]]} of "
                f"fold {fold}{others}; all images of a {what} belong in one part of a fold."
            )


def truth(manifest: Manifest) -> npt.NDArray[np.float32]:
    """Return the labels that images are scored by, (N, T): 0, 1, or NaN where there is no truth.

    Labels between 0 and 1, and those that stand in for unknown ones, are only learned from.
    """
    labels = manifest.table[list(manifest.tasks)].to_numpy(dtype=np.float32, copy=True)
    with np.errstate(invalid="ignore"):
        guessed = (labels > 0) & (labels < 1)
    if manifest.guessed is not None:
        guessed |= manifest.guessed
    labels[guessed] = np.nan
    return labels


def check_classes(manifest: Manifest, folds: Folds) -> list[str]:
    """Return a sentence for each fold and split that lacks a class of a scored task.

    Raises:
        UserError: A scored task that no fold can test, or a fold that cannot rank checkpoints.
    """
    if manifest.masks is not None:
        for fold in range(folds.k):
            which = np.select([folds.rows(s, fold) for s in SPLITS], SPLITS, "")
            named = np.array([f"{split} of fold {fold}" for split in which])
            check_shown(manifest, named)
        return []
    scored = [manifest.tasks.index(task) for task in manifest.score_tasks]
    labels = truth(manifest)[:, scored]
    positive, negative = labels == 1, labels == 0
    _check_both(manifest, positive.sum(axis=0).tolist(), negative.sum(axis=0).tolist())
    tested = np.zeros(len(scored), np.bool_)
    notes = []
    for fold in range(folds.k):
        for split in ("valid", "test"):
            rows = folds.rows(split, fold)
            if not rows.any() or (split == "valid" and not folds.rows("train", fold).any()):
                empty = split if not rows.any() else "train"
                raise UserError(f"fold {fold} has no image in {empty}; give it some, or lower k.")
            has = np.stack([positive[rows].any(axis=0), negative[rows].any(axis=0)])
            if split == "test":
                tested |= has.all(axis=0)
            elif not has.all(axis=0).any():
                raise UserError(
                    f"fold {fold} has no scored task with both classes in its validation images, "
                    "so no checkpoint could be chosen; lower k, or deal the folds out by label "
                    "(folds.by: stratified)."
                )
            notes += list(_lacks(manifest, fold, split, has))
    if not tested.all():
        lost = [task for task, good in zip(manifest.score_tasks, tested, strict=True) if not good]
        raise UserError(
            f"no fold tests both classes of {listed(lost, 8)}, and a score needs both; name others "
            "in score_tasks, lower k, or deal the folds out by label (folds.by: stratified)."
        )
    return notes


def _check_both(manifest: Manifest, positives: list[int], negatives: list[int]) -> None:
    """Refuse a scored task that has one class in all images: no way of dealing them out helps."""
    counts = zip(manifest.score_tasks, positives, negatives, strict=True)
    lost = {
        task: counted(task, shown, not_shown, "all images")
        for task, shown, not_shown in counts
        if not (shown and not_shown)
    }
    refuse_one_class(manifest, lost, "correct the labels")


def _lacks(manifest: Manifest, fold: int, split: str, has: npt.NDArray[np.bool_]) -> Iterator[str]:
    for kind, there in zip(("positive", "negative"), has, strict=True):
        lost = [task for task, good in zip(manifest.score_tasks, there, strict=True) if not good]
        if lost and split == "test":
            yield (
                f"Fold {fold} tests no image that is {kind} for {', '.join(lost)}: it is left out "
                "of what is pooled over folds for them."
            )
        elif lost:
            yield (
                f"Fold {fold} validates on no image that is {kind} for {', '.join(lost)}: its "
                "checkpoints are ranked by the other tasks."
            )
