"""What the page says of data sets with masks: few patients, one structure, a second observer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from transfergrid.planning.metrics import built_in
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.figures.score import observers_of
from transfergrid.reporting.metric_words import metric_words
from transfergrid.reporting.page.findings import findings
from transfergrid.reporting.page.metric_methods import scoring
from transfergrid.reporting.page.notes import notes
from transfergrid.reporting.page.observer_rows import observer_rows, ordinal
from transfergrid.reporting.page.reuse_answers import once

MASKED = {"task_kind": "segmentation", "masks": "overlapping", "score_tasks": ["vessel"]}
FILMS = {"task_kind": "multilabel", "score_tasks": ["effusion", "nodule"]}


def study(*metrics: str) -> dict[str, Any]:
    entries = [{"dataset": name, "role": "target"} for name in ("vessels", "films")]
    return {
        "metrics": {name: built_in(name) for name in metrics},
        "primary_metric": {"vessels": "dice", "films": "auroc"},
        "extra_metrics": [name for name in metrics if name not in ("dice", "auroc")],
        "cells": entries,
    }


def cells(**flags: str) -> pd.DataFrame:
    rows = [
        {"cell": name, "dataset": name, "fold": "all", "seed": 0, "status": "finished"}
        | {"flags": flag}
        for name, flag in flags.items()
    ]
    return pd.DataFrame(rows)


def told(table: pd.DataFrame) -> dict[str, str]:
    leaks = pd.DataFrame(columns=["dataset", "other_dataset", "n_images", "n_equal", "n_near"])
    cards = {"vessels": MASKED, "films": FILMS}
    found = notes({}, {"cells": table, "leaks": leaks}, cards)
    return {note.title: note.text for note in found}


def test_few_patients_with_masks_are_no_small_classes() -> None:
    found = told(cells(vessels="few_patients:vessel", films=""))
    assert "Small classes" not in found
    assert found["Few patients"].startswith("vessel: fewer than 50 patients")
    both = told(cells(vessels="undefined:vessel", films="few_positives:nodule;undefined:effusion"))
    assert both["Few patients"] == "vessel: no value of the metric, because no film counts."
    assert (
        "nodule: fewer than 30" in both["Small classes"] and "vessel" not in both["Small classes"]
    )


def test_the_mean_over_one_structure_is_no_macro() -> None:
    asked = study("dice", "auroc", "iou")
    known = {"vessels": MASKED, "films": FILMS}
    words = metric_words(asked, known)
    assert [words[name].mean for name in asked["metrics"]] == [
        "Dice",
        "macro AUROC",
        "intersection over union",
    ]
    two = known | {"vessels": MASKED | {"score_tasks": ["artery", "vein"]}}
    assert metric_words(asked, two)["dice"].score == "Macro Dice"
    # Where no card is there yet, nothing is known of tasks.
    assert metric_words(asked)["dice"].score == "Macro Dice"
    asked["evaluation"] = {"confidence": 0.95, "bootstrap": {"replicates": 10, "seed": 0}}
    asked["resolved"] = {"datasets": {"vessels": {}, "films": {}}}
    sentences = scoring(asked, known)
    assert sentences[0].startswith("Dice of vessels: of vessel.")
    assert "unweighted mean over effusion and nodule" in sentences[1]


def people(**more: Any) -> pd.DataFrame:
    row = {"dataset": "vessels", "observer": 2, "metric": "dice", "n": 8, "n_patients": 4}
    row |= {"value": 0.78, "low": 0.74, "high": 0.81} | more
    return pd.DataFrame([row | {"task": np.nan}, row | {"task": "vessel"}])


def test_a_row_of_one_structure_stands_once() -> None:
    words = metric_words(study("dice"), {"vessels": MASKED})
    (row,) = observer_rows(people(), words)
    assert (row.structure, row.observer, row.metric.title) == ("vessel", "second", "Dice")
    assert (row.value, row.films, row.patients) == (0.78, 8, 4)
    several = pd.concat([people(), people().tail(1).assign(task="disc")])
    assert [row.structure for row in observer_rows(several, words)] == ["mean", "vessel", "disc"]
    assert observer_rows(None, words) == observer_rows(people().head(0), words) == ()
    assert ordinal(3) == "third" and ordinal(11) == "number 11"


def test_the_line_of_a_figure_is_that_of_its_own_data_set_and_metric() -> None:
    table = pd.concat([people(), people(observer=3, value=0.7), people(metric="iou", value=0.6)])
    nothing = pd.DataFrame()
    data = FigureData(nothing, nothing, nothing, {}, {}, observers=table)
    panel = pd.DataFrame({"dataset": ["vessels"], "metric": ["dice"]})
    assert observers_of(data, panel) == {"observer 2": 0.78, "observer 3": 0.7}
    assert observers_of(data, panel.assign(dataset="films")) == {}
    assert observers_of(FigureData(nothing, nothing, nothing, {}, {}), panel) == {}


@pytest.mark.parametrize("name", ["random_random", "paper_random_random"])
def test_two_random_starts_stand_once_and_name_all_sources(name: str) -> None:
    row = {"quantity": name, "value": 0.5, "low": np.nan, "high": np.nan, "n": 1, "networks": ""}
    row |= {"method": "mean", "note": "", "n_families": np.nan, "architecture": "net"}
    sources = ("birds", "insects")
    rows = [row | {"subject": f"mean_cca, {s}", "pretraining": s} for s in sources]
    rows += [
        row | {"subject": f"mean_cca, {s}", "pretraining": s, "quantity": "random_transfer"}
        for s in sources
    ]
    rows.append(row | {"subject": "cka_debiased, birds", "pretraining": "birds", "value": 0.4})
    found = findings(once(pd.DataFrame(rows)), {})
    assert [one.subject for one in found] == [
        "mean CCA, birds; mean CCA, insects",
        "mean CCA, birds",
        "mean CCA, insects",
        "debiased CKA, birds",
    ]
