"""Precision against recall, checked with scikit-learn's curves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_curve
from unit.reporting import fabricate

from transfergrid.reporting.figures import precision_recall, style
from transfergrid.reporting.figures.data import FigureData, read_figure_data
from transfergrid.reporting.figures.precision_recall import (
    METRIC,
    RECALL,
    at_recall,
    precision_at_positives,
)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from([0.0, 1.0, np.nan])), min_size=1).filter(
        lambda rows: any(label == 1 for _, label in rows)
    )
)
def test_the_precision_at_positives_is_the_curve_of_scikit_learn(
    rows: list[tuple[int, float]],
) -> None:
    scores, labels = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    known = ~np.isnan(labels)
    found = precision_at_positives(scores, labels)
    assert len(found) == (labels == 1).sum()
    expected = average_precision_score(labels[known], scores[known])
    assert found.mean() == pytest.approx(expected)
    precision, recall, _ = precision_recall_curve(labels[known], scores[known])
    for at in (0.01, 0.3, 0.5, 1.0):
        # The highest threshold that reaches this recall.
        last = np.flatnonzero(recall >= at - 1e-9).max()
        assert at_recall(found, np.array([at]))[0] == pytest.approx(precision[last])


def test_without_a_positive_there_is_no_precision() -> None:
    assert len(precision_at_positives([0.1, 0.2], [0, np.nan])) == 0


@pytest.fixture(scope="module")
def data(drawn_tree: fabricate.Tree) -> FigureData:
    """The made-up study as if it had asked for average precision."""
    plain = read_figure_data(drawn_tree.study, drawn_tree.results)
    rows = []
    for cell in plain.finished["cell"]:
        part = plain.ensembles[cell]
        for column, task in enumerate(part.tasks):
            y, p = part.labels[:, column], part.probabilities[:, column]
            known = ~np.isnan(y)
            if len(np.unique(y[known])) == 2:
                value = average_precision_score(y[known], p[known])
                sizes = {"n": known.sum(), "n_pos": int(y[known].sum())}
                ends = {"low": value - 0.1, "high": value + 0.1}
                rows.append({"cell": cell, "metric": METRIC, "task": task, "value": value})
                rows[-1] |= {**sizes, **ends}
    return replace(plain, scores=pd.DataFrame(rows))


def test_the_area_under_a_line_is_the_number_above_it(data: FigureData) -> None:
    panels = precision_recall.panels_of(data)
    with style.styled():
        axes = precision_recall.draw(data).axes
    assert len(axes) == len(panels) == data.scores["task"].nunique()
    for ax, panel in zip(axes, panels, strict=True):
        base, *lines = (line for line in ax.lines if len(line.get_xdata()))
        assert base.get_ydata()[0] == panel.n_pos / panel.n
        told = ax.get_title(loc="left").split("\n")
        assert told[0] == panel.task.replace("_", " ")
        assert told[1] == f"{panel.n_pos} of {panel.n} positive"
        for line, curve, words in zip(lines, panel.curves, told[3:], strict=True):
            assert list(line.get_xdata()) == list(RECALL)
            # Recall in steps of a fiftieth, where the line's steps are of one positive.
            area = float(np.mean(line.get_ydata()))
            assert area == pytest.approx(curve.average[0], abs=0.02)
            assert words.startswith(f"{curve.pretraining}: {curve.average[0]:.2f} (")
            values = data.scores[data.scores["cell"].isin(curve.cells)]
            mean = values.loc[values["task"] == panel.task, "value"].mean()
            assert curve.average[0] == pytest.approx(mean)


def test_pretrainings_are_compared_on_the_whole_networks_that_both_have(data: FigureData) -> None:
    cells = data.finished.set_index("cell")
    for panel in precision_recall.panels_of(data):
        shared = []
        for curve in panel.curves:
            own = cells.loc[list(curve.cells)]
            assert set(own["pretraining"]) == {curve.pretraining}
            assert set(own["truncation"]) == {0}
            shared.append(set(zip(own["architecture"], own["seed"], strict=True)))
        assert len(shared) == 2 and shared[0] == shared[1]
        assert len({architecture for architecture, _ in shared[0]}) == panel.n_networks
    caption = precision_recall.caption(data)
    assert "whole networks" in caption and "95 % interval" in caption and "160 patients" in caption


def test_folds_of_a_cell_are_averaged(data: FigureData) -> None:
    panel = precision_recall.panels_of(data)[0]
    one = data.cells[data.cells["cell"] == panel.curves[0].cells[0]]
    parts = [one.assign(cell=f"fold{number}", fold=str(number)) for number in range(2)]
    others = [name for name in data.finished["cell"] if name != one["cell"].iloc[0]][:2]
    ensembles = {f"fold{number}": data.ensembles[name] for number, name in enumerate(others)}
    folded = replace(data, cells=one, folds=pd.concat(parts), ensembles=ensembles)
    assert folded.parts(one["cell"].iloc[0]) == ["fold0", "fold1"]
    assert list(folded.trained["cell"]) == ["fold0", "fold1"]
    with style.styled():
        ax = precision_recall.draw(folded).axes[0]
    task = ensembles["fold0"].tasks.index(panel.task)
    expected = [
        at_recall(precision_at_positives(e.probabilities[:, task], e.labels[:, task]), RECALL)
        for e in ensembles.values()
    ]
    assert np.allclose(ax.lines[1].get_ydata(), np.mean(expected, axis=0))
    # A fold without a positive is in no mean, and so in no line.
    labels = ensembles["fold1"].labels.copy()
    labels[:, task] = 0
    bare = {**ensembles, "fold1": replace(ensembles["fold1"], labels=labels)}
    with style.styled():
        ax = precision_recall.draw(replace(folded, ensembles=bare)).axes[0]
    assert np.allclose(ax.lines[1].get_ydata(), expected[0])


def test_a_study_that_does_not_ask_has_no_such_figure(drawn_tree: fabricate.Tree) -> None:
    plain = read_figure_data(drawn_tree.study, drawn_tree.results)
    assert METRIC in precision_recall.lack(plain)
