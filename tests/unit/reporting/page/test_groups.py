"""What the page says of groups of patients, and of labels that need no film."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from unit.reporting.made_up_groups import gaps, shortcuts, subgroups

from transfergrid.reporting.metric_words import MetricWords
from transfergrid.reporting.page.groups import near, sections
from transfergrid.reporting.page.notes import notes

STUDY: dict[str, Any] = {"evaluation": {"confidence": 0.95}}
METRICS = {"auroc": MetricWords("AUROC")}


def facts(**tables: pd.DataFrame) -> dict[str, str]:
    there = {"subgroups": subgroups(), "subgroup_gaps": gaps(), "shortcuts": shortcuts()}
    (section,) = sections(STUDY, there | tables, METRICS)
    assert section.title == "Who it works for"
    return dict(section.facts)


def test_a_study_that_asks_for_no_groups_has_no_section() -> None:
    assert sections(STUDY, {}, METRICS) == []
    assert near(None) == near(shortcuts().head(0)) == ""


def test_groups_gaps_and_what_has_no_value_are_told() -> None:
    told = facts()
    assert told["Groups"].startswith(
        "sex of films: F (30 patients), M (30 patients) and unknown (30 patients)"
    )
    assert told["Gaps"] == (
        "sex of films, macro AUROC: 1 of 2 networks with a gap; the clearest is F against M, "
        "+0.120 (+0.020 to +0.220), p = 0.010 (resnet18, imagenet)."
    )
    assert told["Without a value"].startswith("age under 40: nodule.")
    assert told["Without a film"].startswith(
        "AUROC, mean over the scored tasks, of what each column alone predicts: sex of films 0.500 "
        "(0.400–0.600), networks 0.750 to 0.850; view of films 0.700 (0.600–0.800), networks"
    )
    assert "Not to be concluded" in told


def test_no_gap_is_no_gap() -> None:
    assert "0 of 2 networks with a gap" in facts(subgroup_gaps=gaps(0.2))["Gaps"]
    none = gaps().query("column == 'age'")
    assert facts(subgroup_gaps=none)["Gaps"].startswith("None can be told")


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
