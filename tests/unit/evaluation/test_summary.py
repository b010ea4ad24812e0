from __future__ import annotations

import numpy as np
import pytest
from unit.metrics.scored import intervals

from transfergrid.evaluation.summary import summarise
from transfergrid.runtime.errors import UserError


def test_row_of_the_table_of_cells() -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random((120, 3)) < [0.5, 0.1, 0.0]).astype(np.float32)
    probabilities = rng.random((120, 3)) / 2 + labels / 3
    patient = np.array([f"p{n // 2}" for n in range(120)])
    study = np.array([f"s{n}" for n in range(120)])
    row = summarise(probabilities, labels, patient, study, ["A", "B", "C"], ["A", "B"])
    parts, macro = intervals(probabilities, labels, patient, [0, 1])
    assert list(row) == [
        "n_studies",
        "n_patients",
        "auroc",
        "auroc_low",
        "auroc_high",
        *(
            f"{column}"
            for task in "ABC"
            for column in (
                f"auroc_{task}",
                f"auroc_{task}_low",
                f"auroc_{task}_high",
                f"n_pos_{task}",
            )
        ),
        "flags",
    ]
    assert (row["n_studies"], row["n_patients"]) == (120, 60)
    assert (row["auroc"], row["auroc_low"], row["auroc_high"]) == (
        macro.estimate,
        macro.low,
        macro.high,
    )
    assert row["auroc_B_low"] == parts[1].low
    assert row["n_pos_B"] == labels[:, 1].sum()
    assert np.isnan(row["auroc_C"]) and row["n_pos_C"] == 0
    assert row["flags"] == "few_positives:B;single_class:C"


def test_mistakes_are_named() -> None:
    values = np.zeros((2, 1)), np.zeros((2, 1)), ["p", "p"]
    with pytest.raises(UserError, match="score_tasks names Z"):
        summarise(*values, ["s1", "s2"], ["A"], ["Z"])
    with pytest.raises(UserError, match="stands twice"):
        summarise(*values, ["s1", "s1"], ["A"], ["A"])
