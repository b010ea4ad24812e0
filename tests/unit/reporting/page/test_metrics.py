"""A page whose data set is ranked by a loss, with other metrics beside it."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from unit.reporting import fabricate
from unit.reporting.built_in_words import WORDS

from transfergrid.planning.metrics import built_in
from transfergrid.reporting.figures.palette import marks_of
from transfergrid.reporting.figures.summaries import pretrainings_of
from transfergrid.reporting.page.leaderboard import leaderboard
from transfergrid.reporting.page.material import ReportInput, read_report
from transfergrid.reporting.page.notes import notes
from transfergrid.reporting.page.page import context, render

NAMES = ("log_loss", "average_precision", "sensitivity", "accuracy")


def turned(scores: pd.DataFrame) -> pd.DataFrame:
    """Rows of other metrics, made from those of the AUROC."""
    parts = []
    for name in NAMES:
        own = scores.assign(metric=name)
        if name == "log_loss":
            own = own.assign(value=1 - own["value"], low=1 - own["high"], high=1 - own["low"])
        if name == "accuracy":
            own = own[own["task"].isna()]
        if name == "sensitivity":
            points = np.where(own["task"].notna(), 0.37, np.nan)
            own = own.assign(threshold=points, conditional_on="operating points")
        parts.append(own)
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def report(drawn_tree: fabricate.Tree) -> ReportInput:
    study = {
        **drawn_tree.study,
        "metrics": {name: built_in(name) for name in ("auroc", *NAMES)},  # contrasts are of AUROC
        "primary_metric": {"phantom": "log_loss", "shapes": "log_loss"},
        "extra_metrics": list(NAMES[1:]),
    }
    report = read_report(drawn_tree.study, drawn_tree.results, [])
    cells = report.tables["cells"]
    ends = {"score_low": 1 - cells["score_high"], "score_high": 1 - cells["score_low"]}
    cells = cells.assign(metric="log_loss", score=1 - cells["score"], **ends)
    tables = {**report.tables, "cells": cells, "scores": turned(report.tables["scores"])}
    return replace(report, study=study, tables=tables)


@pytest.fixture(scope="module")
def html(report: ReportInput) -> str:
    return render(report)


def test_the_lowest_loss_comes_first(html: str) -> None:
    body = html[html.index('id="leaderboard"') : html.index('id="figures"')]
    values = re.findall(r'<td class="n points" data-value="([^"]*)">', body)
    assert len(values) == 22
    assert [float(value) for value in values] == sorted(float(value) for value in values)
    assert 'aria-sort="ascending"' in body
    assert "Macro log loss (lower is better) on the test split" in html


def test_other_metrics_can_be_shown_beside_it(html: str) -> None:
    body = html[html.index('id="board"') : html.index('id="figures"')]
    assert re.findall(r'<option value="(\w+)">', body[body.index('id="also"') :])[:3] == list(
        NAMES[1:]
    )
    hidden = re.findall(r'data-metric="accuracy" data-value="([^"]*)" hidden>', body)
    assert len(hidden) == 22
    assert all(0 < float(value) < 1 for value in hidden)


def test_a_cell_has_every_metric(html: str, report: ReportInput) -> None:
    section = html[html.index('id="cells"') :]
    section = section[: section.index('</details>\n<details class="cell"')]
    words = " ".join(re.sub(r"<[^>]+>", " ", section).split())
    assert "Test log loss by task" in words
    assert "Macro average precision" in words and "Macro average precision (" not in words
    assert "Accuracy by task" not in words  # one number over all classes
    assert "Sensitivity at a specificity of 0.9 by task" in words
    assert "0.370" in words and "Given: operating points." in words


def test_the_gain_of_a_selection_is_how_much_better_it_is(report: ReportInput) -> None:
    cells = report.tables["cells"].set_index(["cell", "selection"])["score"]
    section = context(report)["sections"][0].cells[0]
    name = section.cell["cell"]
    other = section.selections[1]
    better = cells[name, other.name] - cells[name, report.primary]
    assert float(other.gain.replace("−", "-")) == pytest.approx(better, abs=5.1e-4)


def test_small_classes_are_those_of_scored_tasks(drawn_tree: fabricate.Tree) -> None:
    report = read_report(drawn_tree.study, drawn_tree.results, [])
    html = render(report)
    note = html[html.index("Small classes") :][:300]
    assert "Consolidation" in note and "Fracture" not in note


def test_remarks_on_a_metric_of_whole_cases_are_about_all_classes(report: ReportInput) -> None:
    cells = report.tables["cells"].assign(metric="accuracy", flags="synthetic;scarce_positives")
    found = notes(report.study, {**report.tables, "cells": cells}, report.cards)
    (note,) = (one for one in found if one.title == "Small classes")
    assert note.text.startswith("all classes: fewer than 5 patients with positives")


def test_a_row_tells_remarks_on_a_metric_of_whole_cases(report: ReportInput) -> None:
    cells = report.primary_cells.assign(metric="accuracy", flags="synthetic;few_positives")
    cells.loc[cells.index[0], "flags"] = "synthetic"
    marks = marks_of(pretrainings_of(cells))
    board = leaderboard(cells, {}, marks, WORDS, {})
    told = {row.cell["flags"]: row.tags for row in board.rows}
    assert told["synthetic"] == ()
    assert told["synthetic;few_positives"] == (("few positives", "few positives: all classes"),)


def test_metrics_of_two_data_sets_have_no_common_order(report: ReportInput) -> None:
    cells = report.tables["cells"]
    first = cells["architecture"] == "resnet18"
    areas = cells.assign(dataset="other", metric="auroc", score=1 - cells["score"])
    mixed = pd.concat([cells[~first], areas[first]])
    html = render(replace(report, tables={**report.tables, "cells": mixed}))
    body = html[html.index('id="leaderboard"') : html.index('id="figures"')]
    head = body[: body.index("<tbody>")]
    assert "aria-sort" not in head and "<svg" not in body and "barcell" not in body
    rows = re.findall(r'data-value="([^"]*)"><span class="quiet">([^<]*)</span>', body)
    assert [name for _, name in rows] == sorted((name for _, name in rows), reverse=True)
    losses, best = ([float(v) for v, name in rows if name == own] for own in ("Log loss", "AUROC"))
    assert losses == sorted(losses) and best == sorted(best, reverse=True) and losses and best
