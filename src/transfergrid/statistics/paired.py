"""Whether runs are on the same patients, without which nothing about them can be subtracted."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from transfergrid.metrics.influence import Influence
from transfergrid.runtime.errors import UserError


def check_paired(runs: Iterable[Influence], told: str) -> None:
    """Refuse runs that are not all on the same patients.

    Args:
        runs: At least one.
        told: What compares them, at the start of a sentence.

    Raises:
        UserError: The patients of two runs differ.
    """
    first, *others = runs
    if any(not np.array_equal(run.patients, first.patients) for run in others):
        raise UserError(
            f"{told} compares cells scored on different patients; evaluate all of them on the same "
            "data set."
        )
