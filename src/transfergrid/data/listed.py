"""Splits that are given by lists of films, a file for each part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from transfergrid.planning.layouts.listed import listed_parts
from transfergrid.runtime.errors import UserError, listed


def listed_split(
    files: Mapping[str, Path], names: Sequence[str], where: Path, instead: str
) -> npt.NDArray[np.str_]:
    """Return the part of each film, of which every one is in one list.

    Args:
        files: The lists by part.
        names: (N,) names of the films.
        where: The table or folder that has them.
        instead: How the data set can be divided without the lists, as the end of a sentence.

    Returns:
        (N,) names of parts.

    Raises:
        UserError: A film is in no list or in two, or a list names one that is not there.
    """
    part_of = listed_parts(files)
    lists = listed([path.name for path in files.values()])
    lost = [name for name in names if name not in part_of]
    if lost:
        raise UserError(
            f"{where} has the film {lost[0]}, which is in none of the lists {lists} ({len(lost)} "
            f"such films); restore the lists, or {instead}."
        )
    absent = part_of.keys() - set(names)
    if absent:
        raise UserError(
            f"the lists {lists} name {len(absent)} film(s) that {where} lacks, such as "
            f"{min(absent)}; restore what is missing, or take those films out of the lists."
        )
    return np.array([part_of[name] for name in names], dtype="<U5")
