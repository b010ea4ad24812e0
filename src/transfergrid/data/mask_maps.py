"""The masks of a cache as training reads them: in a file of their own beside that of the films."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from transfergrid.data.stacked import Stacked, stacked

MASKS = ".masks.npy"
"""How the name of a file of masks ends; that of their films has .npy in its place."""


def file_of_masks(films: str) -> str:
    """Return the name of the file with the masks of a file of films."""
    return f"{Path(films).stem}{MASKS}"


def open_masks(
    cache: Path,
    files: Sequence[str],
    rows: Sequence[npt.NDArray[np.int64]],
    shape: tuple[int, int, int],
) -> npt.NDArray[Any] | Stacked:
    """Map the masks of rows of several files, one file after the other.

    Args:
        cache: Folder of the cache.
        files: Names of the files of films.
        rows: Which films of each.
        shape: Structures, height and width.

    Returns:
        (N, C, px, px) uint8 of 0, 1 and 255, read from the file when it is asked for.

    Raises:
        ValueError: A file is missing or is not of these films.
    """
    maps = []
    for name, chosen in zip(files, rows, strict=True):
        masks = file_of_masks(name)
        try:
            array = np.load(cache / masks, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise ValueError(f"{masks} cannot be read ({error})") from None
        fits = array.shape[1:] == shape and array.dtype == np.uint8
        if not fits or chosen.max(initial=-1) >= len(array):
            raise ValueError(f"{masks} is {array.dtype} {array.shape} and does not fit {name}")
        maps.append(array)
    return stacked(maps, rows)
