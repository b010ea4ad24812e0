"""What the page says of groups of patients, and of labels that need no film."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from unit.reporting.made_up_groups import gaps, shortcuts, subgroups

from transfergrid.reporting.metric_words import MetricWords
from transfergrid.reporting.page.alike import Section
from transfergrid.reporting.page.groups import near, sections
from transfergrid.reporting.page.notes import notes

STUDY: dict[str, Any] = {"evaluation": {"confidence": 0.95}}
METRICS = {"auroc": MetricWords("AUROC")}


def section(**tables: pd.DataFrame) -> Section:
    there = {"subgroups": subgroups(), "subgroup_gaps": gaps(), "shortcuts": shortcuts()}
    (found,) = sections(STUDY, there | tables, METRICS)
    assert found.title == "Who it works for"
    return found


def test_a_study_that_asks_for_no_groups_has_no_section() -> None:
    assert sections(STUDY, {}, METRICS) == []
    assert near(None) == near(shortcuts().head(0)) == ""


def test_groups_gaps_and_what_has_no_value_are_told() -> None:
    found = section()
    told = dict(found.facts)
    assert told["Groups"].startswith(
        "sex of films: F (30 patients), M (30 patients) and unknown (30 patients)"
    )
    assert told["Without a value"].startswith("age under 40: nodule.")
    assert "Not to be concluded" in told
    apart, probed = found.tables
    assert apart.title == "Gaps" and apart.heads[4] == "Gap (95 %)"
    (row,) = apart.rows
    # One task is scored, so its AUROC is no mean.
    assert row[:4] == ("sex of films", "AUROC", "1 of 2", "F against M")
    assert row[4:] == ("+0.120 (+0.020 to +0.220)", "0.010", "resnet18, imagenet")
    assert probed.rows == (
        ("sex of films", "0.500 (0.400–0.600)", "0.750 to 0.850"),
        ("view of films", "0.700 (0.600–0.800)", "0.750 to 0.850"),
    )


def test_no_gap_is_no_gap() -> None:
    assert section(subgroup_gaps=gaps(0.2)).tables[0].rows[0][2] == "0 of 2"
    none = gaps().query("column == 'age'")
    assert [one.title for one in section(subgroup_gaps=none).tables] == [
        "Labels predicted without a film"
    ]
    assert section(subgroup_gaps=gaps(0.0001)).tables[0].rows[0][5] == "< 0.001"


def test_every_column_at_once_is_no_column() -> None:
    table = shortcuts().replace({"column": {"view": "all together"}})
    assert section(shortcuts=table).tables[1].rows[1][0] == "all columns of films"
    assert near(table).startswith("nodule of films: all columns together reach 0.700, near 2 of 2")


def test_a_column_that_comes_near_a_network_is_a_banner() -> None:
    table = shortcuts()
    # .2 beyond chance is more than half of .25 and of .35.
    assert near(table) == (
        "nodule of films: view alone reaches 0.700, near 2 of 2 networks, such as resnet18, "
        "random with 0.750"
    )
    leaks = pd.DataFrame(columns=["dataset", "other_dataset", "n_images", "n_equal", "n_near"])
    row = {"cell": "one", "dataset": "films", "fold": "all", "seed": 0, "status": "finished"}
    cells = pd.DataFrame([row | {"flags": ""}])
    found = {
        n.title: n for n in notes({}, {"cells": cells, "leaks": leaks, "shortcuts": table}, {})
    }
    assert found["Shortcuts"].kind == "warning" and near(table) in found["Shortcuts"].text
    found = {n.title: n for n in notes({}, {"cells": cells, "leaks": leaks}, {})}
    assert "Shortcuts" not in found


@pytest.mark.parametrize(
    ("table", "there"),
    [
        (shortcuts(low=0.48), False),  # no better than chance
        (shortcuts(0.6, 0.55, 0.95), False),  # far below the network
        (shortcuts(0.6, 0.55, 0.95).assign(low=-0.01), True),  # which is not shown to be better
        (shortcuts(0.71, 0.6, 0.9), True),  # half of what the network has beyond chance
    ],
)
def test_what_counts_as_near(table: pd.DataFrame, there: bool) -> None:
    assert bool(near(table)) is there
