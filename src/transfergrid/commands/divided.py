"""Into which parts films go where nobody has said so: one split, or folds if patients are few."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from transfergrid.commands.guess import FEWEST, Guess
from transfergrid.data.crossvalidation import truth
from transfergrid.data.kinds import checked
from transfergrid.data.manifest import Manifest
from transfergrid.data.mask_coverage import presence
from transfergrid.data.splits import random_split
from transfergrid.data.store import SPLITS
from transfergrid.runtime.errors import UserError, listed
from transfergrid.runtime.hashing import seeded
from transfergrid.runtime.progress import progress

SHARES = {"valid": 0.15, "test": 0.25}
"""Of the patients, where no one says which part they are in."""
FEW = 50
"""Patients below which a test part says little; of masks, the page says so (few_patients)."""
FOLDS = 5
SEEDS = 20
"""How many draws of a split are tried, until each part has each class."""

Parts = Literal["settings", "files", "folds"]


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
    """Put films into the parts that were published, else into a split, or into folds if few.

    Args:
        manifest: What the data set's reader returned; its masks have been read (`masks_read`).
        declaration: Its settings.
        root: Where it lies.
        parts: Who says which part a film is in, see `transfergrid.commands.found.Found`.

    Raises:
        UserError: There are too few patients, or no draw leaves each class in each part.
    """
    own = parts == "files" or bool(declaration.get("split"))
    scored = _scored(manifest, own)
    if scored:
        manifest = replace(manifest, score_tasks=tuple(scored[0].value))
    if own or declaration.get("folds"):
        return Divided(checked(manifest, declaration, root), scored)
    people = int(manifest.table["patient_id"].nunique())
    tested = round(SHARES["test"] * people)
    if parts == "folds" or tested < FEW:
        what = "patients" if manifest.patients_known else "images (each counts as a patient)"
        why = f"nothing says which of {people} {what} are for tests"
        if tested < FEW:
            why += f", and a quarter, {tested}, would be fewer than {FEW}"
        found = _in_folds(manifest, declaration, root, why)
    else:
        found = _in_split(manifest, declaration, root)
    return replace(found, guesses=[*found.guesses, *scored])


def _scored(manifest: Manifest, own: bool) -> list[Guess]:
    """Name the structures that can be scored in every part, if that is not all of them."""
    if manifest.masks is None:
        return []
    shown = manifest.table[list(manifest.tasks)].to_numpy(dtype=np.float32) == 1
    if own:
        told = "that films of each part show"
        parts = manifest.table["split"].to_numpy(dtype=str)
        often = np.all([shown[parts == part].any(axis=0) for part in SPLITS], axis=0)
    else:
        told = f"that at least {FEWEST} patients show"
        names = manifest.table["patient_id"].to_numpy(dtype=str)
        often = np.array([len(set(names[column])) >= FEWEST for column in shown.T])
    if often.all() or not often.any():
        return []
    tasks = [task for task, kept in zip(manifest.tasks, often, strict=True) if kept]
    why = f"structures {told}; the others are learned and not scored"
    return [Guess("score_tasks", tasks, why)]


def _in_folds(manifest: Manifest, declaration: Mapping[str, Any], root: Path, why: str) -> Divided:
    people = int(manifest.table["patient_id"].nunique())
    if people < len(SPLITS):
        raise UserError(
            f"there are {people} patient(s), too few to train, validate and test on; add films of "
            "others."
        )
    faults: list[UserError] = []
    for k in range(min(FOLDS, people), len(SPLITS) - 1, -1):
        told = f"{why}; so each of {k} parts is tested once, by networks trained on the others"
        lacking: list[Divided] = []
        for more in ({}, {"by": "stratified"}):
            folds = {"k": k, **more}
            try:
                whole = checked(manifest, {**declaration, "split": None, "folds": folds}, root)
            except UserError as fault:
                faults.append(fault)
                continue
            how = "; dealt out by label, as drawn at random a part lacked a class" if more else ""
            found = Divided(whole, [Guess("folds", folds, told + how)])
            if _has_all(whole):
                return found
            lacking.append(found)
        if lacking:
            return lacking[-1]  # whose notes say which fold lacks what
    raise faults[0]


def _has_all(manifest: Manifest) -> bool:
    """Tell whether every part of every fold has both classes of each scored task."""
    folds = manifest.folds
    assert folds is not None
    labels = truth(manifest)[:, [manifest.tasks.index(task) for task in manifest.score_tasks]]
    # Of a structure, masks that show it are enough.
    classes = (1,) if manifest.masks is not None else (0, 1)
    return all(
        bool((labels[folds.rows(split, fold)] == one).any(axis=0).all())
        for fold in range(folds.k)
        for split in SPLITS
        for one in classes
    )


def draws(
    patients: npt.ArrayLike, shares: Mapping[str, float]
) -> Iterator[tuple[int, npt.NDArray[np.str_]]]:
    """Yield splits at random, each with the seed by which a study draws it; the rest is train.

    Args:
        patients: (N,) whose each film is.
        shares: The share of patients in each other part.
    """
    for seed in range(SEEDS):
        rng = np.random.default_rng(seeded("split", seed))
        yield seed, random_split(patients, shares, "train", rng)


def _in_split(manifest: Manifest, declaration: Mapping[str, Any], root: Path) -> Divided:
    groups = manifest.table["patient_id"].to_numpy(dtype=str)
    units = "patient by patient" if manifest.patients_known else "image by image"
    faults: list[UserError] = []
    for seed, drawn in draws(groups, SHARES):
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


def masks_read(manifest: Manifest) -> Manifest:
    """Return a manifest that says which film shows which structure; each mask is read once.

    Raises:
        UserError: Masks are missing, broken, or not of their films; the first are named.
    """
    masks = manifest.masks
    if masks is None:
        return manifest
    shown = np.full((len(masks), len(masks.structures)), np.nan, np.float32)
    faults: dict[str, str] = {}
    for row in progress(range(len(masks)), len(masks), "reading masks"):
        try:
            shown[row] = presence(masks.read(row))
        except (OSError, ValueError) as fault:
            faults[masks.images.name(row)] = str(fault)
    if faults:
        raise UserError(
            f"masks of {len(faults)} of {len(masks)} films cannot be used, and no study was "
            f"written: {listed(faults, 5)}; the first says: {next(iter(faults.values()))}"
        )
    columns = dict(zip(masks.structures, shown.T, strict=True))
    return replace(manifest, table=manifest.table.assign(**columns))
