"""Memory of mapped files given back as they are read, so that reading all of one needs no more."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np

from transfergrid.data.stacked import Stacked


def let_go(*arrays: np.ndarray[Any, Any] | Stacked | None) -> None:
    """Have the system take back the pages of mapped files that this process has read.

    They are read again when they are asked for, from the system's own memory as long as it has
    them. Arrays that are not mapped stay as they are, and where the system takes no advice, all do.

    Args:
        *arrays: Memory maps, or rows of several.
    """
    for array in arrays:
        maps = getattr(array, "_maps", (array,))
        for base in maps:
            while isinstance(base, np.ndarray):
                base = base.base
            if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
                base.madvise(mmap.MADV_DONTNEED)
