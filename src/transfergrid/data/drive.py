"""DRIVE: photographs of the retina with the vessels that one observer drew, or two.

Layout: ``training/images/21_training.tif``, ``training/1st_manual/21_manual1.gif``,
``training/mask/21_training_mask.gif``, and for the test part ``01_test.tif``, ``01_manual1.gif``,
``01_test_mask.gif`` and ``2nd_manual/01_manual2.gif``, known from public code alone (some ten
repositories read these names): unverified, as none was opened. J. Staal et al., IEEE Transactions
on Medical Imaging 23:501-509, 2004.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from transfergrid.data.drawn import drawn_split
from transfergrid.data.images import ImageFiles
from transfergrid.data.manifest import Manifest
from transfergrid.data.mask_coverage import UNKNOWN
from transfergrid.data.mask_layers import FileLayer, Layer, Observers
from transfergrid.data.mask_set import MaskSet
from transfergrid.data.mask_values import Coding
from transfergrid.data.masked_manifest import masked_manifest
from transfergrid.planning.layouts.drive import (
    FIRST,
    PARTS,
    SECOND,
    base,
    beside,
    drawn,
    is_official,
    photographs,
)

STRUCTURE = "vessel"


def read(options: Mapping[str, Any], root: Path) -> Manifest:
    """List the photographs and their masks; none is opened.

    What lies outside of a photograph's field of view is unknown. Where the second observer's
    vessels are there, the masks have two observers, of whom the first is the truth.

    Args:
        options: The declaration; see the study's schema for its keys.
        root: The folder that holds ``training`` and ``test``, or ``DRIVE`` with them.

    Raises:
        UserError: A missing folder, or a photograph that is not named as published.
    """
    folder, official = base(root), is_official(options)
    found = photographs(folder, official)
    names = [path.rpartition("/")[2] for path in found]
    images = ImageFiles.declared(folder, found, options)
    masks = MaskSet(images, (_vessels(folder, found),), field_of_view=_view(folder, found))
    ids = (names, names, names, "", _split(found, names, official, options))
    notes = _notes(folder, official, options)
    return masked_manifest(ids, masks, options, False, drawn=not official, notes=notes)


def _split(
    found: list[str], names: list[str], official: bool, options: Mapping[str, Any]
) -> npt.NDArray[np.str_]:
    people = np.array(names)
    if not official:
        return drawn_split(people, options)
    tested = np.array([path.startswith(f"{PARTS[1]}/") for path in found])
    split = np.full(len(found), "test", "<U5")
    split[~tested] = drawn_split(people[~tested], options, parts=("valid",))
    return split


def _vessels(folder: Path, found: list[str]) -> Layer:
    first = FileLayer(folder, [(beside(path)[FIRST],) for path in found], Coding((STRUCTURE,)))
    seen = {part: drawn(folder, part, SECOND) for part in PARTS}
    if not any(seen.values()):
        return first
    paths = [(beside(path)[SECOND],) if seen[path.partition("/")[0]] else () for path in found]
    return Observers((first, FileLayer(folder, paths, Coding((STRUCTURE,)), UNKNOWN)), "first")


def _view(folder: Path, found: list[str]) -> Layer:
    return FileLayer(
        folder, [(beside(path)["mask"],) for path in found], Coding(("field_of_view",))
    )


def _notes(folder: Path, official: bool, options: Mapping[str, Any]) -> tuple[str, ...]:
    if official or drawn(folder, PARTS[1]):
        return ()
    return ("The test photographs are left out, because their vessels are not in the folder.",)
