"""How films are divided: by a study's lists, or drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from transfergrid.data.drawn import drawn_split
from transfergrid.data.listed import listed_split
from transfergrid.planning.layouts.listed import list_files


def parted(
    options: Mapping[str, Any],
    root: Path,
    names: Sequence[str],
    where: Path,
    people: npt.NDArray[np.str_],
    labels: npt.NDArray[np.float32],
) -> npt.NDArray[np.str_]:
    """Return the split of each film, (N,) str.

    Args:
        options: The declaration, with or without ``lists``.
        root: Folder of the lists.
        names: (N,) names of the films, as lists have them.
        where: The table or folder that has the films, for the message.
        people: (N,) patients.
        labels: (N, T) of which each drawn part gets its share.

    Raises:
        UserError: A list is missing, or a film is in none of them or in two.
    """
    lists = options.get("lists")
    if not lists:
        return drawn_split(people, options, labels)
    return listed_split(list_files(root, lists), names, where, "draw the parts without lists")
