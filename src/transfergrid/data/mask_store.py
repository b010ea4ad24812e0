"""The cache's masks: beside the pixels of each part, in a file of their own.

Beside ``train.npy`` lies ``train.masks.npy``, (N, C, px, px) uint8 of 0, 1 and 255, row by row of
the same films, so that training maps it as it maps the films.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from transfergrid.data.mask_coverage import presence
from transfergrid.data.mask_maps import MASKS, file_of_masks
from transfergrid.runtime.errors import UserError, listed
from transfergrid.runtime.hashing import sha256_file
from transfergrid.runtime.progress import progress

if TYPE_CHECKING:
    from transfergrid.data.mask_set import MaskSet

_UNDEALT = f"undealt{MASKS}"
_DEALT = 256
"""Masks that are copied at a time."""


def write_undealt(
    masks: MaskSet, px: int, rule: str, folder: Path, workers: int, label: str
) -> npt.NDArray[np.float32]:
    """Read every film's masks once, and write them in the order of the manifest.

    Which film shows which structure is known only then, and splits may be balanced by it; `deal`
    makes the files of a cache from this one.

    Args:
        masks: The masks.
        px: Side of the cache's films.
        rule: The rule by which they were resized.
        folder: Where the array is written.
        workers: Threads that read.
        label: Name of the data set, for the line of progress.

    Returns:
        (N, C) which structures each film shows, at its own size: 1, 0, or NaN where nobody knows.

    Raises:
        UserError: Masks are broken or not of their films; all of them are named.
    """
    shape = (len(masks), len(masks.structures), px, px)
    array = np.lib.format.open_memmap(folder / _UNDEALT, "w+", np.uint8, shape)
    shown = np.full(shape[:2], np.nan, np.float32)

    def fill(index: int) -> tuple[str, str] | None:
        try:
            own = masks.read(index)
            array[index] = masks.resized(own, index, px, rule)
        except (OSError, ValueError) as error:
            return masks.images.name(index), str(error)
        shown[index] = presence(own)
        return None

    with ThreadPoolExecutor(workers) as executor:
        told = progress(executor.map(fill, range(len(masks))), len(masks), f"masks of {label}")
        broken = [fault for fault in told if fault is not None]
    array.flush()
    if broken:
        raise UserError(
            f"masks of {len(broken)} of {len(masks)} films are broken and nothing was written: "
            f"{listed([name for name, _ in broken])}; the first says: {broken[0][1]}"
        )
    return shown


def deal(folder: Path, rows: Mapping[str, npt.NDArray[np.intp]]) -> dict[str, str]:
    """Deal all masks out to the parts of a cache, and remove the file of them all.

    Args:
        folder: Where `write_undealt` left it.
        rows: Places in the manifest of each part's films, in order.

    Returns:
        SHA-256 of each file by its name.
    """
    every = np.load(folder / _UNDEALT, mmap_mode="r", allow_pickle=False)
    files = {}
    for name, places in rows.items():
        path = folder / file_of_masks(name)
        with open(path, "wb") as file:
            shape = (len(places), *every.shape[1:])
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            for start in range(0, len(places), _DEALT):
                file.write(every[places[start : start + _DEALT]].data)
        files[path.name] = sha256_file(path)
    del every
    (folder / _UNDEALT).unlink()
    return files
