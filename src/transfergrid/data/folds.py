"""Folds: which part each image is in, drawn so that nothing is torn, or as they were published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from transfergrid.data.images import inside
from transfergrid.data.splits import folds as dealt_at_random
from transfergrid.data.splits import random_split
from transfergrid.data.store import SPLITS
from transfergrid.data.tablefile import canonical, read_table
from transfergrid.runtime.errors import UserError, listed
from transfergrid.runtime.hashing import seeded

Ids = npt.NDArray[np.str_]
Numbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Folds:
    """How the images of a data set are cut into folds.

    Attributes:
        part: (N,) int64, the fold that tests each image, from 0.
        valid: (N, k) bool, the folds that validate on it.
    """

    part: Numbers
    valid: Flags

    @property
    def k(self) -> int:
        """Number of folds."""
        return self.valid.shape[1]

    def rows(self, split: str, fold: int) -> Flags:
        """Return which images (N,) are in a split of a fold."""
        if split == "test":
            return self.part == fold
        if split == "valid":
            return self.valid[:, fold]
        return (self.part != fold) & ~self.valid[:, fold]


def whole_units(patients: Ids, groups: Ids | None) -> Ids:
    """Return what must not be torn: patients, joined where a group holds images of several.

    Args:
        patients: (N,) patient of each image.
        groups: (N,) group of each image, or None.

    Returns:
        (N,) the first of the patients that belong together, by name.
    """
    if groups is None:
        return patients
    names, patient = np.unique(patients, return_inverse=True)
    count = len(names)
    group = np.unique(groups, return_inverse=True)[1] + count
    size = int(group.max()) + 1
    links = coo_array((np.ones(len(patient), np.int8), (patient, group)), shape=(size, size))
    together = connected_components(links, directed=False)[1][:count]
    first = np.unique(together, return_index=True)[1]
    return names[first][np.unique(together, return_inverse=True)[1]][patient]


def draw(
    options: Mapping[str, Any], units: Ids, labels: npt.NDArray[np.float32] | None, what: str
) -> Folds:
    """Draw folds.

    Args:
        options: ``k``, ``seed`` and ``valid``.
        units: (N,) what each image belongs to and what must not be torn.
        labels: (N, T) to deal the units out by, or None to draw them whatever their labels.
        what: What the units are, in the plural, for the message.

    Raises:
        UserError: There are fewer units than folds, or a share of them is none or all.
    """
    k, rng = int(options["k"]), np.random.default_rng(seeded("folds", options.get("seed", 0)))
    count = len(np.unique(units))
    if k > count:
        raise UserError(
            f"folds.k is {k}, and there are {count} {what}; choose a k from 2 to {count}."
        )
    if labels is None:
        return with_validation(options, units, dealt_at_random(units, k, rng))
    names, of_row = np.unique(units, return_inverse=True)
    part = np.empty(len(names), np.int64)
    part[_by_labels(of_row, labels, rng)] = np.arange(len(names)) % k
    return with_validation(options, units, part[of_row], labels)


def _by_labels(
    of_row: npt.NDArray[np.intp], labels: npt.NDArray[np.float32], rng: np.random.Generator
) -> Numbers:
    """Return the units in an order in which those of equal labels follow one another.

    The rarest label decides first, then the next: dealt out in turn, every fold gets as many of the
    rarest as any other, give or take one.
    """
    count = int(of_row.max()) + 1
    highest = np.full((count, labels.shape[1]), -1, np.float32)  # -1: unknown
    np.maximum.at(highest, of_row, np.nan_to_num(labels, nan=-1))
    common_first = np.argsort(-(highest > 0.5).sum(axis=0), kind="stable")
    keys = np.stack([rng.permutation(count), *(highest[:, task] for task in common_first)])
    return np.lexsort(keys).astype(np.int64)


def with_validation(
    options: Mapping[str, Any],
    units: Ids,
    part: Numbers,
    labels: npt.NDArray[np.float32] | None = None,
) -> Folds:
    """Choose what each fold validates on: the part after its own, or a share of the other units."""
    k, share = int(options["k"]), options.get("valid", "next")
    valid = np.zeros((len(part), k), np.bool_)
    for fold in range(k):
        others = part != fold
        if share == "next":
            valid[:, fold] = part == (fold + 1) % k
        elif others.any():
            rng = np.random.default_rng(seeded("folds", options.get("seed", 0), "valid", fold))
            valid[others, fold] = share_of(
                units[others], float(share), rng, None if labels is None else labels[others]
            )
    return Folds(part, valid)


def share_of(
    units: Ids, share: float, rng: np.random.Generator, labels: npt.NDArray[np.float32] | None
) -> Flags:
    """Draw a share of the units.

    Args:
        units: (N,) what each image belongs to.
        share: Share of the units, in (0, 1); at least one unit is drawn and one is left.
        rng: Source of randomness.
        labels: (N, T) by which as great a share of each kind of unit is drawn, give or take one;
            None draws them whatever their labels.

    Returns:
        (N,) whether an image is drawn.
    """
    if labels is None:
        return random_split(units, {"valid": share}, "train", rng) == "valid"
    names, of_row = np.unique(units, return_inverse=True)
    wanted = min(max(1, round(share * len(names))), len(names) - 1)
    places = ((np.arange(wanted) + 0.5) * len(names) / wanted).astype(np.int64)
    chosen = np.zeros(len(names), np.bool_)
    chosen[_by_labels(of_row, labels, rng)[places]] = True
    return chosen[of_row]


def from_column(values: Ids, options: Mapping[str, Any]) -> tuple[Numbers, list[str]]:
    """Return the part of each image from a column of published folds, and its values in order.

    Raises:
        UserError: The column holds more or fewer values than there are folds.
    """
    names = sorted(set(values.tolist()), key=_by_number)
    k = int(options["k"])
    if len(names) != k:
        raise UserError(
            f"folds.k is {k}, and the column '{options['column']}' of folds has {len(names)} "
            f"values ({listed(names)}); correct one of them."
        )
    place = {name: number for number, name in enumerate(names)}
    return np.array([place[value] for value in values.tolist()], np.int64), names


def _by_number(name: str) -> tuple[bool, int, str]:
    number = name.isascii() and name.isdigit()
    return not number, int(name) if number else 0, name


def from_file(path: Path, image_ids: Ids, k: int) -> Folds:
    """Read published folds: a table of image, fold and part, a row per image and fold.

    Args:
        path: The table.
        image_ids: (N,) the data set's images.
        k: Number of folds.

    Raises:
        UserError: A missing column, image or fold, a fold or part that there is not, an image
            given twice to a fold, or one that is not tested exactly once.
    """
    table = read_table(path)
    place = {image: row for row, image in enumerate(image_ids.tolist())}
    images = table.text("image").map(lambda name: name if name in place else inside(name))
    folds, parts = canonical(table.text("fold"), f"{path}, column 'fold'"), table.text("part")
    for column, allowed in (("fold", {str(f) for f in range(k)}), ("part", set(SPLITS))):
        values = folds if column == "fold" else parts
        strange = values[~values.isin(allowed)]
        if len(strange):
            told = listed(SPLITS) if column == "part" else f"0 to {k - 1}, as folds.k is {k}"
            raise UserError(
                f"{path} has the {column} '{strange.iloc[0]}' in row {strange.index[0] + 1}; "
                f"allowed are {told}."
            )
    strange = images[~images.isin(place.keys())]
    if len(strange):
        raise UserError(
            f"{path} names {strange.nunique()} image(s) that the data set does not have, such as "
            f"{strange.iloc[0]}; write them as the data set does, such as {image_ids[0]}."
        )
    rows, numbers = images.map(place).to_numpy(np.int64), folds.astype(np.int64).to_numpy()
    of = np.full((len(image_ids), k), -1, np.int8)
    twice = pd.Series(rows * k + numbers).duplicated().to_numpy()
    if twice.any():
        row = int(np.flatnonzero(twice)[0])
        raise UserError(
            f"{path} gives image {images.iloc[row]} to fold {numbers[row]} twice; keep one row."
        )
    of[rows, numbers] = parts.map(SPLITS.index).to_numpy(np.int8)
    missing = np.argwhere(of < 0)
    if len(missing):
        row, fold = missing[0]
        raise UserError(
            f"{path} gives image {image_ids[row]} no part in fold {fold} ({len(missing)} pairs of "
            "image and fold lack one); give every image a part in every fold."
        )
    return _tested_once(path, of, image_ids)


def _tested_once(path: Path, of: npt.NDArray[np.int8], image_ids: Ids) -> Folds:
    tested = of == SPLITS.index("test")
    times = tested.sum(axis=1)
    wrong = np.flatnonzero(times != 1)
    if len(wrong):
        row = wrong[0]
        where = f"in folds {listed(np.flatnonzero(tested[row]))}" if times[row] else "in no fold"
        others = f" ({len(wrong)} images are not tested exactly once)" if len(wrong) > 1 else ""
        raise UserError(
            f"{path} tests image {image_ids[row]} {where}{others}; give every image the part test "
            "in exactly one fold."
        )
    return Folds(tested.argmax(axis=1), of == SPLITS.index("valid"))
