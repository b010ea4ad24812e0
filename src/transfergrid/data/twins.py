"""What is said of a data set's near duplicates: in its card, and in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from transfergrid.data.likeness import BITS, NEAR, Flags, Numbers, Twins, seen_again
from transfergrid.data.manifest import Manifest, choice
from transfergrid.data.store import SPLITS
from transfergrid.planning.alike import LEAST_PX
from transfergrid.runtime.errors import UserError

PAIRS = (("test", "train"), ("test", "valid"), ("valid", "train"))
"""Splits of which one should not know the other."""
OTHERS = "train and valid"
"""What a fold learns from and chooses on: all parts but its own."""

_SHOWN = 3
_LARGE = 10
"""Images of a group beyond which it is pointed out; copies of a film are few."""

_TOO_ALIKE = (
    "Its images are so alike that difference hashes do not tell them apart, so near duplicates are "
    "not known."
)


def is_grouped(declaration: Mapping[str, Any], px: int) -> bool:
    """Tell whether a data set's near duplicates are to be grouped.

    Raises:
        UserError: Its images are too small to tell which are, or the setting is unknown.
    """
    group = declaration.get("group")
    if group is None:
        return False
    choice(declaration, "group", ("duplicates",))
    if px < LEAST_PX:
        raise UserError(
            f"group: duplicates was asked for and image_px is {px}; images of less than {LEAST_PX} "
            "px cannot be told apart by their looks, so enlarge image_px or remove group."
        )
    return True


def groups_of(twins: Twins) -> Numbers:
    """Return the group of near duplicates of each image, (N,), a number.

    Raises:
        UserError: Hashes do not tell these images apart.
    """
    if not twins.judged:
        raise UserError(
            "group: duplicates was asked for, and the images are so alike that difference hashes "
            "do not tell them apart; remove group, or give the groups in a column of the table of "
            "kind csv or mask_table (folds.group_column)."
        )
    return twins.groups()


def told_of_twins(
    manifest: Manifest,
    twins: Twins,
    contents: Numbers,
    px: int,
    groups: Numbers | None = None,
) -> tuple[dict[str, Any], list[str]]:
    """Say which images have near duplicates, and where.

    Args:
        manifest: The manifest, with its splits or folds.
        twins: What `transfergrid.data.likeness.find_twins` found among its images.
        contents: (N,) a number for each content of files: of images that are equal byte for byte,
            the card counts, and the sentences leave to others to tell.
        px: Side of the cached images.
        groups: (N,) the group of each image, where near duplicates are grouped.

    Returns:
        What the card says of it, and sentences.
    """
    card: dict[str, Any] = {"bits": BITS, "threshold": NEAR if twins.judged else None}
    places = _places(manifest)
    equal, near = twins.seen(places, len(manifest.parts))
    card["images"] = int(near.any(axis=1).sum())
    card["across"] = list(_across(manifest, places, equal, near))
    untold = near & ~seen_again(contents, places, len(manifest.parts))
    notes = [] if twins.judged or px < LEAST_PX else [_TOO_ALIKE]
    notes += _sentences(manifest, twins, places, equal & untold, untold)
    if groups is not None:
        card["groups"], more = _of_groups(manifest, groups, places)
        notes += more
    return card, notes


def _places(manifest: Manifest) -> Numbers:
    """Return the number of the split or part of each image."""
    place = {part: number for number, part in enumerate(manifest.parts)}
    return np.array([place[part] for part in manifest.table["split"]], np.int64)


def compared(parts: Sequence[str]) -> list[tuple[str, str, str, list[int], list[int]]]:
    """Return what should not know each other.

    Args:
        parts: The splits; or the parts of a data set in folds, in order.

    Returns:
        Fold, split and other split, and which of `parts` are in either.
    """
    if set(parts) == set(SPLITS):
        place = {part: number for number, part in enumerate(parts)}
        return [("all", *pair, [place[pair[0]]], [place[pair[1]]]) for pair in PAIRS]
    every = range(len(parts))
    return [
        (str(fold), "test", OTHERS, [fold], [part for part in every if part != fold])
        for fold in every
    ]


def _across(
    manifest: Manifest, places: Numbers, equal: Flags, near: Flags
) -> Iterator[dict[str, Any]]:
    for fold, split, other, here, there in compared(manifest.parts):
        rows = np.isin(places, here)
        same = equal[rows][:, there].any(axis=1)
        alike = near[rows][:, there].any(axis=1)
        yield {
            "fold": fold,
            "split": split,
            "other": other,
            "images": int(rows.sum()),
            "equal": int(same.sum()),
            "near": int((alike & ~same).sum()),
        }


def _sentences(
    manifest: Manifest, twins: Twins, places: Numbers, equal: Flags, near: Flags
) -> list[str]:
    """Return a sentence for each pair of splits that share near duplicates; of folds, one."""

    def counted(there: list[int], rows: Numbers) -> str:
        same = int(equal[rows][:, there].any(axis=1).sum())
        of_them = f" ({same} of them equal pixel by pixel)" if same else ""
        return f"{len(rows)} image(s){of_them} look like"

    if manifest.folds is not None:
        elsewhere = near.copy()
        elsewhere[np.arange(len(places)), places] = False
        rows, every = np.flatnonzero(elsewhere.any(axis=1)), list(range(manifest.folds.k))
        shown = _shown(manifest, twins, places, rows, set(every))
        return [f"{counted(every, rows)} one in another part: {shown}."] if len(rows) else []
    told = []
    for _, split, other, here, there in compared(manifest.parts):
        rows = np.flatnonzero(np.isin(places, here) & near[:, there].any(axis=1))
        shown = _shown(manifest, twins, places, rows, set(there))
        if len(rows):
            told.append(f"Of {split}, {counted(there, rows)} one of {other}: {shown}.")
    return told


def _shown(
    manifest: Manifest, twins: Twins, places: Numbers, rows: Numbers, there: set[int]
) -> str:
    """Name the first few images, and for each the first twin that lies in another split."""
    names = manifest.table["image_id"].tolist()
    pairs = []
    for row in rows[:_SHOWN].tolist():
        others = twins.of(row)
        elsewhere = np.isin(places[others], list(there - {int(places[row])}))
        pairs.append(f"{names[row]} ~ {names[others[elsewhere][0]]}")
    return ", ".join(pairs) + (", ..." if len(rows) > _SHOWN else "")


def _of_groups(
    manifest: Manifest, groups: Numbers, places: Numbers
) -> tuple[dict[str, int], list[str]]:
    """Count the groups; say what they are, and whether some are torn or one is strangely large."""
    sizes = np.bincount(groups)
    sizes = sizes[sizes > 0]
    low = np.full(int(groups.max()) + 1, len(manifest.parts))
    high = np.full_like(low, -1)
    np.minimum.at(low, groups, places)
    np.maximum.at(high, groups, places)
    torn = int((low < high).sum())
    found = {
        "groups": len(sizes),
        "largest": int(sizes.max()),
        "grouped": int(sizes[sizes > 1].sum()),
        "torn": torn,
    }
    told = [
        f"Near duplicates (difference hashes along rows and along columns, each at most {NEAR} of "
        f"{BITS} bits apart) are grouped: {found['groups']} groups of {len(groups)} images, of "
        f"which {found['grouped']} have a near duplicate; the largest group has "
        f"{found['largest']}."
    ]
    if torn:
        told.append(
            f"{torn} group(s) of near duplicates lie in more than one split, as published, and "
            "were left there."
        )
    if found["largest"] > _LARGE:
        told.append(
            f"A group of {found['largest']} images is more than copies of one film usually are: "
            "look at them, because hashes may have joined images that only look alike."
        )
    return found, told
