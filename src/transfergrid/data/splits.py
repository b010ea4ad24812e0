"""Random splits that keep each patient whole.

Every function takes one group id per row (a patient, or whatever must not be torn) and draws over
the sorted distinct ids, so the result depends on the ids and the generator, not on row order.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from transfergrid.runtime.errors import UserError


def random_split(
    groups: npt.ArrayLike, shares: Mapping[str, float], rest: str, rng: np.random.Generator
) -> npt.NDArray[np.str_]:
    """Assign each group to a part at random.

    Args:
        groups: (N,) ids.
        shares: Share of the groups, in (0, 1), of each part; a part gets ``round(share x groups)``
            of them and at least one.
        rest: Name of the part that takes all other groups, at least one.
        rng: Source of randomness; one permutation is drawn.

    Returns:
        (N,) names of parts. With one part, the part of a larger share contains that of a smaller.

    Raises:
        UserError: A share out of range, or too few groups.
    """
    names, of_row = np.unique(np.asarray(groups), return_inverse=True)
    counts = {}
    for part, share in shares.items():
        if not 0 < share < 1:
            raise UserError(f"the share of {part} is {share:g}; choose one above 0 and below 1.")
        counts[part] = max(1, round(share * len(names)))
    if sum(counts.values()) >= len(names):
        raise UserError(
            f"{len(names)} patient(s) cannot be split into {sum(counts.values())} for "
            f"{' and '.join(counts)} with some left for {rest}; lower the shares."
        )
    order = rng.permutation(len(names))
    part_of = np.full(len(names), rest, dtype=np.array([rest, *counts]).dtype)
    start = 0
    for part, count in counts.items():
        part_of[order[start : start + count]] = part
        start += count
    return part_of[of_row]


def folds(groups: npt.ArrayLike, k: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Assign each group to one of k folds whose numbers of groups differ by at most one.

    Args:
        groups: (N,) ids.
        k: Number of folds, at least 2.
        rng: Source of randomness; one permutation is drawn.

    Returns:
        (N,) fold numbers, 0 to k - 1.

    Raises:
        UserError: k is below 2 or above the number of groups.
    """
    names, of_row = np.unique(np.asarray(groups), return_inverse=True)
    if not 2 <= k <= len(names):
        raise UserError(
            f"{len(names)} patient(s) cannot make {k} folds; choose from 2 to {len(names)}."
        )
    fold_of = np.empty(len(names), dtype=np.int64)
    fold_of[rng.permutation(len(names))] = np.arange(len(names)) % k
    return fold_of[of_row]
