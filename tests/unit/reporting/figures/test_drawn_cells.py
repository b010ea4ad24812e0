"""Captions and titles speak of the cells that are drawn, and axes fit the lines on them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.reporting.figures.wide import wide

from transfergrid.reporting.figures import learning, phrases, style
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.figures.drawing import draw_all
from transfergrid.reporting.figures.files import Drawn

EVERYWHERE = {"score", "tasks", "learning"}
"""Figures in which a data set with masks and a single network is drawn."""
LONG = 20
"""How many times as long trainings on labels are."""


@pytest.fixture(scope="module")
def labels() -> FigureData:
    data = wide(5)
    cells = data.cells.assign(dataset="chest")
    named = ("correlations", "reliability", "contrasts", "gains", "small_data")
    renamed = {name: getattr(data, name).assign(dataset="chest") for name in named}
    return replace(data, cells=cells, **renamed)


@pytest.fixture(scope="module")
def both(labels: FigureData) -> FigureData:
    """The same study with a network that marks lungs: one seed of its own, another metric."""
    row = labels.cells.iloc[0].to_dict() | {"cell": "marks", "dataset": "lungs", "metric": "dice"}
    row |= {"seed": 7, "truncation": 0, "n_studies": 79, "n_patients": 60}
    score = {"cell": "marks", "metric": "dice", "value": 0.8, "low": 0.7, "high": 0.9, "n": 79}
    curve = [{"valid_score": 0.1 * step, "examples": 225 * step} for step in (1, 2, 3)]
    long = {
        cell: [{**line, "examples": LONG * line["examples"]} for line in lines]
        for cell, lines in labels.histories.items()
    }
    scores = pd.DataFrame([{**score, "task": task} for task in ("lung", "heart")])
    return replace(
        labels,
        cells=pd.concat([labels.cells, pd.DataFrame([row])], ignore_index=True),
        scores=pd.concat([labels.scores, scores], ignore_index=True),
        histories={**long, "marks": curve},
        masked=frozenset({"lungs"}),
    )


def shown(data: FigureData) -> dict[str, Drawn]:
    return {drawn.shown.name: drawn for drawn in draw_all(data)}


def test_cells_that_a_figure_does_not_draw_change_none_of_its_words(
    labels: FigureData, both: FigureData
) -> None:
    alone, beside = shown(labels), shown(both)
    assert EVERYWHERE < set(alone) == set(beside)
    for name, drawn in beside.items():
        if name in EVERYWHERE:
            assert drawn.shown.caption != alone[name].shown.caption, name
        else:
            assert drawn.shown == alone[name].shown, name
            assert "lungs" not in drawn.svg and "Dice" not in drawn.svg, name
    assert beside["correlation"].shown.title == "AUROC against ImageNet accuracy and size"
    assert "79 films of 60 patients in the test split of lungs" in beside["score"].shown.caption
    assert "mean over 2 seeds" in beside["truncation"].shown.caption
    assert all("1 to 2 seeds" in beside[name].shown.caption for name in EVERYWHERE)


def test_no_phrase_puts_an_s_behind_a_name(both: FigureData) -> None:
    told = phrases.tested_on(both)
    assert "'s" not in told and told.endswith(" in the test split of lungs")


def test_curves_have_the_width_of_their_own_panel(both: FigureData) -> None:
    with style.styled():
        axes = learning.draw(both).axes
    ends = {ax.get_title(loc="left").replace("\n", " "): ax.get_xlim()[1] for ax in axes}
    assert ends.pop("net00, lungs") == pytest.approx(1.05 * 675)
    assert set(ends) == {f"net{number:02d}, chest" for number in range(5)}
    assert set(ends.values()) == {1.05 * LONG * 4500}


@given(st.lists(st.floats(1, 1e6), min_size=1, max_size=12))
def test_an_axis_has_room_for_its_lines_and_is_not_mostly_empty(ends: list[float]) -> None:
    found = np.array(learning.shared_ends(ends))
    assert (found >= ends).all() and (learning.ALIKE * found <= ends).all()
    assert set(found) <= set(ends) and found.max() == max(ends)
    assert len(set(learning.shared_ends([end for end in ends if end >= max(ends) / 2]))) == 1
