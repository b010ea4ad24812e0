"""What an .npz file is: films with labels, or with masks."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from transfergrid.commands.found import Found
from transfergrid.commands.found_arrays import loaded, of_mask_arrays, told_names
from transfergrid.commands.guess import Guess
from transfergrid.runtime.errors import UserError, listed

_PARTS = ("train", "val", "test")
_GROUPS = r"train_((group|patient|subject|study|case|cluster|duplicate)\w*)"
"""Arrays that may say which images belong together."""
_NUMBERED = r"(class|label)_\d+|positive"
"""Tasks that nothing has named."""
_LONGEST = 64
"""Characters of a task's name in a study."""


def of_archive(data: Path) -> Found:
    """Say what an .npz file is: films with labels, or with masks.

    Raises:
        UserError: It is not readable, or has neither in a layout that is known.
    """
    try:
        with zipfile.ZipFile(data) as archive:
            names = {name.removesuffix(".npy") for name in archive.namelist()}
    except (OSError, zipfile.BadZipFile):
        raise UserError(f"{data} is not a readable .npz file; restore it.") from None
    if any(name.startswith("train_mask") for name in names):
        return of_mask_arrays(data, names)
    needed = [f"{part}_{what}" for what in ("images", "labels") for part in _PARTS]
    lacks = [name for name in needed if name not in names]
    if lacks:
        raise UserError(
            f"{data} has no {listed(lacks)}; a study of it is written by hand, or save it with "
            "these arrays (docs/data.md), or with masks (docs/segmentation.md)."
        )
    from transfergrid.data.medmnist import read

    try:
        manifest = read({"kind": "medmnist"}, data)
        pixels = manifest.images.read(0)
    except (zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{data} is broken ({error}); restore it.") from None
    why = "such a file is read without patients: each image counts as one"
    array, named = _named(data, names, manifest.tasks)
    guesses = [Guess("task_kind", manifest.task_kind, f"by its labels; {why}"), *named]
    groups = _groups(names)
    used = {*needed, *([array] if named else [])}
    used |= {f"{part}_{key}" for part in _PARTS for key in groups}
    unused = sorted(names - used)
    remarks = list(_told_groups(data, groups))
    if unused:
        remarks.append(
            f"{data.name} also has {listed(unused, 6)}, which this kind of data set does not read."
        )
    return Found(
        "medmnist",
        data.resolve(),
        guesses,
        min(pixels.shape[:2]),
        remarks=tuple(remarks),
        parts="files",
    )


def _named(data: Path, names: Collection[str], tasks: Sequence[str]) -> tuple[str, list[Guess]]:
    """Return the array that names the tasks, and these names, if they are those of all."""
    array, told = told_names(data, names)
    if tuple(tasks) == ("positive",) and len(told) == 2:
        told, why = told[1:], f"what 1 is by the array {array}"
    else:
        why = f"by the array {array}"
    fits = len(told) == len(tasks) and all(re.fullmatch(_NUMBERED, task) for task in tasks)
    if not fits or max(map(len, told)) > _LONGEST:
        return array, []
    return array, [Guess("task_names", told, why)]


def _groups(names: Collection[str]) -> list[str]:
    """Return what of each part's arrays may say which images belong together."""
    keys = sorted(found[1] for name in names if (found := re.fullmatch(_GROUPS, name)))
    return [key for key in keys if all(f"{part}_{key}" in names for part in _PARTS)]


def _told_groups(data: Path, groups: Sequence[str]) -> Iterator[str]:
    """Say whether groups are in one part each, as the file's parts stay as they are."""
    arrays = loaded(data, [f"{part}_{key}" for key in groups for part in _PARTS])
    for key in groups:
        parts = [set(arrays[f"{part}_{key}"].ravel().tolist()) for part in _PARTS]
        every = set().union(*parts)
        torn = sum(map(len, parts)) - len(every)
        what = f"each of its {len(every)} values is in one part"
        if torn:
            what = (
                f"{torn} of its {len(every)} values are in several parts, as patients must not be"
            )
        yield (
            f"{data.name} has {key} of each image, which this kind of data set does not read: "
            f"{what}, and each image counts as a patient. `group: duplicates` counts images that "
            "look alike as one; a table of films (docs/howto/own_data.md) may tell patients."
        )
