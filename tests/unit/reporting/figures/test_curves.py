"""Curves with bands and confused classes, as they are drawn and described."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import auc
from unit.reporting import fabricate
from unit.reporting.figures.drawn import words_in

from transfergrid.reporting.figures import confusion, curves, style
from transfergrid.reporting.figures.data import FigureData, read_figure_data
from transfergrid.reporting.tables.curves import analyse

ARM = {"dataset": "phantom", "truncation": 0, "protocol": "finetune"}


@pytest.fixture(scope="module")
def asked(drawn_tree: fabricate.Tree) -> FigureData:
    """The made-up study as if it had asked for curves, and had classes as well."""
    cells = [one["cell"] for one in drawn_tree.study["cells"] if one["role"] == "target"]
    told = {"cells": cells, "pretrainings": None, "baselines": ["random"], "specificity": 0.9}
    tables = analyse({**drawn_tree.study, "curves": told}, drawn_tree.results, 1)
    plain = read_figure_data(drawn_tree.study, drawn_tree.results)
    return replace(plain, curves=tables["curves"], confusion=confused(tables["curves"]))


def confused(table: pd.DataFrame) -> pd.DataFrame:
    arm = table.iloc[0]
    rows: list[dict[str, Any]] = []
    for true in ("a", "b"):
        for predicted in ("a", "b"):
            same = {axis: arm[axis] for axis in confusion.ARM}
            more = {"true": true, "predicted": predicted, "count": 3.0, "n": 10, "n_patients": 9}
            share = 0.75 if true == predicted else 0.25
            rows.append({**same, **more, "share": share, "n_seeds": 2, "n_folds": 1})
    others = [{**row, "architecture": "another", "share": 0.5} for row in rows]
    return pd.DataFrame([*rows, *others])


def test_a_row_of_two_panels_a_task_with_a_line_and_a_band_an_arm(asked: FigureData) -> None:
    with style.styled():
        figure = curves.draw(asked)
    tasks = fabricate.SCORE_TASKS
    assert len(figure.axes) == 2 * len(tasks)  # none for a task without a positive
    for number, task in enumerate(tasks):
        left, right = figure.axes[2 * number : 2 * number + 2]
        for ax, kind in ((left, "roc"), (right, "precision_recall")):
            own = asked.curves[(asked.curves["task"] == task) & (asked.curves["curve"] == kind)]
            lines = [line for line in ax.lines if len(line.get_xdata()) > 2]
            assert len(lines) == len(ax.collections) == own["pretraining"].nunique() == 2
            titles = ax.get_title(loc="left").split("\n")
            assert titles[0] == task.replace("_", " ")
            first = own.iloc[0]
            assert titles[1] == f"{first['n_pos']} of {first['n']} positive"
            for line, (name, rows), told in zip(
                lines, own.groupby("pretraining", sort=False), titles[2:], strict=True
            ):
                assert list(line.get_ydata()) == list(rows["y"])
                assert line.get_color() == asked.marks[str(name)].colour
                (area,) = set(rows["area"])
                near = rows["y"].mean() if kind != "roc" else auc(rows["x"], rows["y"])
                assert told.startswith(f"{name}: ") and told.endswith(f" {area:.2f}")
                assert area == pytest.approx(near, abs=0.02)
        chance = right.lines[0].get_ydata()
        first = asked.curves[asked.curves["task"] == task].iloc[0]
        assert chance[0] == chance[1] == first["n_pos"] / first["n"]


def test_the_caption_says_what_is_compared_and_what_a_band_is(asked: FigureData) -> None:
    text = curves.caption(asked)
    first = asked.curves.iloc[0]
    assert f"on the test split, of {first['architecture']}" in text
    assert " on phantom (the arm with the best mean validation score, and its baseline; 2 " in text
    assert "95 % at each point" in text and "160 patients" in text
    named = replace(asked, curves=asked.curves.assign(chosen="asked"))
    assert "as asked" in curves.caption(named)


def test_more_tasks_than_fit_are_said_to_be_in_the_table(asked: FigureData) -> None:
    rows = asked.curves[asked.curves["task"] == "Edema"]
    many = [rows.assign(task=f"task{number}") for number in range(curves.MOST + 1)]
    wide = replace(asked, curves=pd.concat(many))
    assert f"the first {curves.MOST} are drawn" in curves.caption(wide)
    with style.styled():
        assert len(curves.draw(wide).axes) == 2 * curves.MOST


def test_only_arms_whose_curves_are_drawn_have_a_matrix(asked: FigureData) -> None:
    (matrix,) = confusion.matrices_of(asked)
    assert matrix.names == ("a (n 10)", "b (n 10)") and matrix.across == ("a", "b")
    assert np.array_equal(matrix.values, [[0.75, 0.25], [0.25, 0.75]])
    with style.styled():
        svg = style.svg_text(confusion.draw(asked), "confusion")
    words = words_in(svg)
    assert words.count(".75") == 2 and words.count(confusion.CORNER) == 1
    assert {"a", "b", "a (n 10)", "b (n 10)"} <= set(words.split("\n"))
    text = confusion.caption(asked)
    assert "2 seeds" in text and "confusion.csv" in text and "95 % intervals" in text


def test_columns_of_many_classes_are_numbered(asked: FigureData) -> None:
    arm = asked.confusion.iloc[0]
    classes = [f"class{number}" for number in range(confusion.NAMED + 1)]
    rows = [
        {**arm, "true": true, "predicted": predicted, "share": 1.0}
        for true in classes
        for predicted in classes
    ]
    many = replace(asked, confusion=pd.DataFrame(rows))
    (matrix,) = confusion.matrices_of(many)
    assert not matrix.across and "with the numbers of the rows" in confusion.caption(many)
    assert "numbers of the rows" not in confusion.caption(asked)


def test_a_study_that_does_not_ask_has_none_of_these(drawn_tree: fabricate.Tree) -> None:
    plain = read_figure_data(drawn_tree.study, drawn_tree.results)
    assert "does not ask" in curves.lack(plain) and "does not ask" in confusion.lack(plain)
