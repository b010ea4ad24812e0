"""A study's own figures: what its code may return, and how a fault in it is told."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from unit.reporting.figures.wide import wide

from transfergrid.planning.figures import own_figures
from transfergrid.reporting.figures import palette
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.figures.drawing import draw_all, draw_one
from transfergrid.runtime.errors import UserError

CODE = """
from matplotlib.figure import Figure


def plain(data):
    figure = Figure(figsize=(5.6, 2))
    ax = figure.subplots()
    ax.scatter(data.finished["params"], data.finished["score"])
    return figure


def captioned(data):
    return plain(data), f"{len(data.finished)} cells."


def nothing(data):
    return None


def table(data):
    return data.cells


def three(data):
    return plain(data), "caption", 3


def broken(data):
    return plain(data), data.cells["no such column"]


def linked(data):
    figure = plain(data)
    figure.text(0.5, 0.5, "there", url="https://example.org")
    return figure


def changing(data):
    data.cells["score"] = 0.5
    return plain(data)
"""


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "figure_lab.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "figure_lab"
    sys.modules.pop("figure_lab", None)


@pytest.fixture(scope="module")
def data() -> FigureData:
    return wide(1, pretrainings=1, cuts=0)


def test_own_figures_stand_behind_the_others_with_their_captions(
    data: FigureData, lab: str
) -> None:
    own = {"my_cloud": f"{lab}:captioned", "bare": f"{lab}:plain", "no": f"{lab}:nothing"}
    *built_in, cloud, bare = draw_all(replace(data, own=own))
    assert built_in == draw_all(data)
    assert (cloud.shown.title, cloud.shown.caption) == ("My cloud", "2 cells.")
    assert (bare.shown.name, bare.shown.caption) == ("bare", "")
    # Drawn in the house style, to the same bytes each time.
    assert "DejaVu Sans" in cloud.svg and palette.LINE in cloud.svg
    assert draw_one(replace(data, own=own), "my_cloud") == cloud
    with pytest.raises(UserError, match="'no' has nothing to show: its function returned None"):
        draw_one(replace(data, own=own), "no")


def test_code_that_changes_a_table_changes_no_other_figure(data: FigureData, lab: str) -> None:
    own = {"first": f"{lab}:changing", "second": f"{lab}:captioned"}
    before = data.cells.copy()
    *_, second = draw_all(replace(data, own=own))
    assert second == draw_one(replace(data, own=own), "second")
    pd.testing.assert_frame_equal(data.cells, before)


@pytest.mark.parametrize(
    ("function", "told"),
    [
        ("table", "figure_lab:table returned a DataFrame; return a matplotlib figure"),
        ("three", "figure_lab:three returned a tuple of Figure, str, int; return"),
        ("broken", "figure_lab:broken failed in line 29 .KeyError: .*no such column"),
        ("linked", "figure 'mine' holds a <a>, which no figure may"),
    ],
)
def test_a_fault_is_told_in_a_sentence_that_names_figure_and_code(
    data: FigureData, lab: str, function: str, told: str
) -> None:
    with pytest.raises(UserError, match=told) as caught:
        draw_one(replace(data, own={"mine": f"{lab}:{function}"}), "mine")
    assert "figure 'mine'" in str(caught.value)


def test_the_name_of_a_built_in_figure_is_refused_and_code_is_fingerprinted(
    lab: str, tmp_path: Path
) -> None:
    def study(**figures: str) -> SimpleNamespace:
        return SimpleNamespace(source=Path("mine.yaml"), config={"figures": figures})

    with pytest.raises(UserError, match="'seeds', which is a built-in figure"):
        own_figures(study(seeds=f"{lab}:plain"))
    with pytest.raises(UserError, match="has no function 'missing'"):
        own_figures(study(mine=f"{lab}:missing"))
    first = own_figures(study(mine=f"{lab}:plain"))
    assert first["mine"]["function"] == f"{lab}:plain"
    path = tmp_path / "figure_lab.py"
    path.write_text(CODE + "\n# a remark\n")
    assert own_figures(study(mine=f"{lab}:plain")) == first
    path.write_text(CODE.replace("(5.6, 2)", "(5.6, 3)"))
    assert own_figures(study(mine=f"{lab}:plain")) != first
