"""Quantities without a comparison, in words."""

from __future__ import annotations

import math

import pandas as pd

from transfergrid.reporting.page.findings import findings


def test_rows_without_a_value_for_one_reason_are_one_row_with_all_names() -> None:
    row = {"question": "seeds", "networks": "", "method": "by seeds", "note": "needs two networks"}
    row |= {"low": math.nan, "high": math.nan, "n": 1, "n_families": 1, "value": math.nan}
    rows = [row | {"subject": on, "quantity": "seed_sd"} for on in ("films", "scans")]
    rows.append(row | {"subject": "films", "quantity": "network_sd"})
    rows.append(row | {"subject": "slides", "quantity": "seed_sd", "value": 0.01, "note": "fine"})
    rows.append(row | {"subject": "bones", "quantity": "seed_sd", "note": "one seed", "n": 2})

    told = findings(pd.DataFrame(rows), {"seed_sd": "spread"})

    assert [(one.subject, one.quantity, one.value) for one in told] == [
        ("slides", "spread", "0.01"),
        ("films; scans", "spread; network sd", "–"),
        ("bones", "spread", "–"),
    ]
    assert told[1].n == "1 in 1 family" and "needs two networks" in told[1].note
