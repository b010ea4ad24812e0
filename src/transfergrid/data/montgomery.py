"""The NIH's Montgomery set of chest films with masks of both lungs.

Layout: ``MontgomerySet/CXR_png/MCUCXR_0001_0.png`` and masks of the same name in
``ManualMask/leftMask`` and ``ManualMask/rightMask``, known from public code alone (it is what some
ten repositories read): unverified, as no film was opened. The last digit of a name is 1 for
tuberculosis; it only balances what is drawn. ``ClinicalReadings`` is not read. S. Jaeger et al.,
Quantitative Imaging in Medicine and Surgery 4:475-477, 2014.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from transfergrid.data.images import ImageFiles
from transfergrid.data.manifest import Manifest, choice
from transfergrid.data.mask_layers import FileLayer
from transfergrid.data.mask_set import MaskSet
from transfergrid.data.mask_values import Coding
from transfergrid.data.masked_manifest import masked_manifest
from transfergrid.data.parted import parted
from transfergrid.planning.layouts.montgomery import FILMS, SIDES, base, films
from transfergrid.planning.layouts.named import pngs
from transfergrid.runtime.errors import UserError


def read(options: Mapping[str, Any], root: Path) -> Manifest:
    """List the films and their masks; none is opened.

    Args:
        options: The declaration; see the study's schema for its keys.
        root: ``MontgomerySet``, or the folder that holds it; lists of films are in it.

    Raises:
        UserError: A missing folder or list, a film that is not named as published, or is in no list
            or in two, a mask of no film.
    """
    folder = base(root)
    found = films(folder)
    names = list(found)
    for place in SIDES.values():
        stray = [name for name in pngs(folder / place) if name not in found]
        if stray:
            raise UserError(
                f"{folder / place / stray[0]} is a mask of no film; add the film, or remove the "
                "mask."
            )
    numbers = np.array([number for number, _ in found.values()])
    ill = np.array([label for _, label in found.values()], dtype=np.float32)
    split = parted(options, root, names, folder / FILMS, numbers, ill[:, None])
    images = ImageFiles.declared(folder, [f"{FILMS}/{name}" for name in names], options)
    masks = MaskSet(images, _layers(folder, names, options))
    ids = (names, names, numbers, "frontal", split)
    return masked_manifest(ids, masks, options, True, drawn=not options.get("lists"))


def _layers(folder: Path, names: list[str], options: Mapping[str, Any]) -> tuple[FileLayer, ...]:
    """Return one layer of both lungs, or one of each."""
    if choice(options, "lungs", ("together", "apart")) == "together":
        both = [tuple(f"{place}/{name}" for place in SIDES.values()) for name in names]
        return (FileLayer(folder, both, Coding(("lung",))),)
    return tuple(
        FileLayer(folder, [(f"{place}/{name}",) for name in names], Coding((f"{side}_lung",)))
        for side, place in SIDES.items()
    )
