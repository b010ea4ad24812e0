"""What similarities say of reuse, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from transfergrid.reporting.page.answer import Manner, Told
from transfergrid.reporting.page.findings import findings

QUANTITIES = {
    "random_transfer": "trained networks, drawn against pretrained start: similarity at the top",
    "random_random": "trained networks, two drawn starts: similarity at the top",
    "random_random_minus_transfer": "two drawn starts minus drawn against pretrained",
    "paper_random_transfer": "the paper's, drawn against pretrained",
    "paper_random_random": "the paper's, two drawn starts",
    "ours_minus_paper_random_transfer": "ours minus the paper's, drawn against pretrained",
    "ours_minus_paper_random_random": "ours minus the paper's, two drawn starts",
    "start_end_correlation": "similarity at the start and after training, correlation over blocks",
    "kept_lowest": "before against after training, the two lowest blocks",
    "kept_above": "before against after training, the blocks above",
    "kept_lowest_against_size": "what the two lowest blocks keep, correlation with parameters",
}


def text(question: Mapping[str, Any], manner: Manner) -> str:
    """Put what no study asks into words."""
    return "What of the pretrained features is reused, as far as similarities tell"


def method(rows: pd.DataFrame) -> list[str]:
    """Return what the methods say of such questions."""
    return [
        "Reuse is asked as in Transfusion (Raghu et al. 2019), with mean CCA, and with debiased "
        "CKA beside it: networks trained from two drawn starts against networks trained from a "
        "drawn and a pretrained start (last two blocks), each block before against after training, "
        "and similarity at the start against similarity after training over blocks. Intervals of "
        "the difference leave out each seed in turn, those of the correlation are Student's t over "
        "seeds. The paper's values were read off its figure, and are of other images; values near "
        "the floor of similarity.csv say nothing, theirs included."
    ]


def told(question: Mapping[str, Any], rows: pd.DataFrame, manner: Manner) -> Told:
    """Put its rows of findings.csv into words."""
    return Told(findings=findings(rows, QUANTITIES))
