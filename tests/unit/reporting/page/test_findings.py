"""Quantities without a comparison, in words."""

from __future__ import annotations

import math

import pandas as pd
from unit.reporting.page.asked import shown

from transfergrid.reporting.page import published_scores_answers
from transfergrid.reporting.page.answer import Manner
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


def test_remarks_that_all_quantities_share_are_told_once() -> None:
    row = {"question": "noise", "networks": "", "n": 2, "n_families": 0, "low": 0.1, "high": 0.3}
    rows = [
        row | {"subject": "films", "quantity": "seed_sd", "value": 0.2, "method": "components"},
        row | {"subject": "films", "quantity": "neighbour_gap", "value": 0.1, "method": "median"},
    ]
    asked = {"name": "noise", "kind": "seed_noise", "where": {}}
    rows = [own | {"note": "as samples; of means"} for own in rows]
    (question,) = shown(asked, findings=rows)
    assert [one.note for one in question.findings] == ["components", "median"]
    assert question.noted == ("as samples", "of means")
    (alone,) = shown(asked, findings=rows[:1])
    assert alone.findings[0].note == "components; as samples; of means" and not alone.noted


def test_a_published_table_has_one_row_for_each_initialisation_that_tells_both_numbers() -> None:
    same = {"question": "published table", "networks": "", "note": "a poster", "n": 1}
    same |= {"n_families": 0, "low": math.nan, "high": math.nan}
    cell = {**same, "subject": "swav, vfs, p"}
    theirs = "79.65 ± 0.15 of a figure (digitised, not published as numbers)"
    rows = [
        {**same, "subject": "vfs, p", "quantity": "rank_correlation", "value": 0.5, "method": "r"},
        {**cell, "quantity": "score", "value": 0.79, "method": "mean of 2 trials"},
        {**cell, "quantity": "published", "value": 0.7965, "method": theirs},
        {**cell, "quantity": "ours_minus_published", "value": -0.0065, "low": -0.02, "high": 0.01}
        | {"method": f"ours 0.7900, mean of 2 trials; theirs {theirs}"},
    ]
    shown = published_scores_answers.told(
        {}, pd.DataFrame(rows), Manner(0.95, {}, frozenset())
    ).findings
    assert [(one.subject, one.quantity) for one in shown] == [
        ("vfs, p", "Spearman's ρ of ours and theirs"),
        ("swav, vfs, p", "ours minus theirs"),
    ]
    assert "ours 0.7900" in shown[1].note and "digitised" in shown[1].note and shown[1].interval
