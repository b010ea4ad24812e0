"""What similarities say of reuse, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from transfergrid.reporting.page.answer import Manner, Told
from transfergrid.reporting.page.findings import findings

QUANTITIES = {
    "random_transfer": "trained from random and loaded weights: similarity of the last two blocks",
    "random_random": "trained from two random starts: similarity of the last two blocks",
    "random_random_minus_transfer": "the second of these minus the first",
    "paper_random_transfer": "the paper's, random against pretrained",
    "paper_random_random": "the paper's, two random starts",
    "ours_minus_paper_random_transfer": "ours minus the paper's, random against loaded weights",
    "ours_minus_paper_random_random": "ours minus the paper's, two random starts",
    "start_end_correlation": "similarity at the start and after training, correlation over blocks",
    "kept_lowest": "similarity before and after training, the two lowest blocks",
    "kept_above": "similarity before and after training, the blocks above",
    "kept_lowest_against_size": (
        "that of the two lowest blocks: rank correlation with the networks' parameters"
    ),
}


_OF_CHANCE = ("random_random", "paper_random_random", "ours_minus_paper_random_random")
"""Quantities in which no source takes part."""


def text(question: Mapping[str, Any], manner: Manner) -> str:
    """Put what no study asks into words."""
    return "What of the pretrained features is reused, as far as similarities tell"


def method(rows: pd.DataFrame) -> list[str]:
    """Return what the methods say of such questions."""
    return [
        "Reuse is asked as in Transfusion (Raghu et al. 2019), with mean CCA, and with debiased "
        "CKA beside it: networks trained from two random starts against networks trained from a "
        "random start and from loaded weights (last two blocks), each block before against after "
        "training, and similarity at the start against similarity after training over blocks. "
        "Weights that have a source's statistics or filters of its scale alone are neither. "
        "Intervals of the difference leave out each seed in turn, those of the correlation are "
        "Student's t over seeds, and none is adjusted for the number of rows. Networks from random "
        "and from loaded weights share a seed, and so the order of the images, as two random "
        "starts do not. The paper's values were read off its figure, and are of other images; "
        "values near the floor of similarity.csv say nothing, theirs included."
    ]


def told(question: Mapping[str, Any], rows: pd.DataFrame, manner: Manner) -> Told:
    """Put its rows of findings.csv into words."""
    return Told(findings=findings(once(rows), QUANTITIES))


def once(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows of findings.csv, in which two random starts stand once.

    The table has them beside each source that is compared with them, as claims are judged there.

    Args:
        rows: Rows of the kind ``reuse``.
    """
    chance = rows["quantity"].isin(_OF_CHANCE)
    # Subjects name the source; all that is left is the same for each of them.
    same = [c for c in rows.columns if c not in ("subject", "pretraining")]
    twice = chance & rows.duplicated(same)
    arms = rows[chance].groupby(same, dropna=False, sort=False)["subject"]
    joined = arms.transform(lambda names: "; ".join(dict.fromkeys(names.astype(str))))
    return rows.assign(subject=joined.reindex(rows.index).fillna(rows["subject"]))[~twice]
