"""SIIM-ACR's chest films with masks of pneumothorax: a table of run lengths, and films by id.

Layout: ``train-rle.csv`` with the columns ``ImageId`` and `` EncodedPixels`` (a blank before the
name, and before each cell), ``stage_2_train.csv`` of the second stage without it, and films in
``dicom-images-train/<study>/<series>/<id>.dcm``, or converted as ``<id>.png``, known from public
code alone (prasadsawant5/kaggle-pneumothorax @ f37dfeb and some ten others): unverified, as no film
was opened. Films are those of ChestX-ray14 under other names: R. W. Filice et al., Journal of
Digital Imaging 33:490-496, 2020.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from transfergrid.data.images import ImageFiles
from transfergrid.data.manifest import Manifest
from transfergrid.data.mask_layers import RunLayer
from transfergrid.data.mask_runs import NOTHING
from transfergrid.data.mask_runtables import FilmNames, run_layer
from transfergrid.data.mask_set import MaskSet
from transfergrid.data.masked_manifest import masked_manifest
from transfergrid.data.parted import parted
from transfergrid.data.tablefile import read_table
from transfergrid.planning.layouts.siim import IMAGE, RUNS, films, table
from transfergrid.runtime.errors import UserError, listed

STRUCTURE = "pneumothorax"
_SHARED = (
    "The films are films of ChestX-ray14, and no table says whose: several may be of one patient, "
    "in two parts as well."
)


def read(options: Mapping[str, Any], root: Path) -> Manifest:
    """Read the table of masks and find its films; none is opened.

    Args:
        options: The declaration; see the study's schema for its keys.
        root: Folder that holds the table, the films and the lists.

    Raises:
        UserError: A missing folder, table, column, film or list, a film in no list or in two.
    """
    path = table(root, options)
    places = films(root, options.get("image_folder", "dicom-images-train"))
    names = list(dict.fromkeys(read_table(path).text(IMAGE)))
    lost = [name for name in names if name not in places]
    if lost:
        raise UserError(
            f"{path} has {len(lost)} film(s) that are not in the folder, such as {lost[0]}; add "
            f"them, or remove their rows ({listed(lost, 3)})."
        )
    images = ImageFiles.declared(root, [places[name] for name in names], options)
    layer = _layer(path, root, names)
    masks = MaskSet(images, (layer,))
    people = np.array(names)  # nobody knows whose films they are
    ids = (
        names,
        names,
        names,
        "frontal",
        parted(options, root, names, path, people, _shown(layer)),
    )
    more = len(places) - len(names)
    told = (f"{more} films of the folder have no row in the table and are left out.",)
    notes = (_SHARED, *(told if more else ()))
    return masked_manifest(ids, masks, options, False, not options.get("lists"), notes)


def _layer(path: Path, root: Path, names: list[str]) -> RunLayer:
    columns = {"image_column": IMAGE, "runs_column": RUNS, "form": "relative"}
    written = {"table": path.relative_to(root).as_posix(), **columns}
    return run_layer((STRUCTURE,), written, root, FilmNames(names), settable=False)


def _shown(layer: RunLayer) -> npt.NDArray[np.float32]:
    """Return (N, 1): whether some row of a film has a pixel."""
    some = [any(run.runs != NOTHING for run in film[0] or ()) for film in layer.films]
    return np.array(some, np.float32)[:, None]
