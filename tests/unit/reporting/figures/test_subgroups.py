"""The figure of groups shows what its table says."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from unit.reporting.figures.drawn import drawing, words_in
from unit.reporting.made_up_groups import subgroups

from transfergrid.reporting.figures import style
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.figures.subgroups import means_of, rows_of


@pytest.fixture()
def grouped(data: FigureData) -> FigureData:
    cells = data.cells.assign(
        dataset="films",
        metric="auroc",
        pretraining=data.cells["pretraining"].replace("shapes", "imagenet"),
    )
    return replace(data, cells=cells, subgroups=subgroups())


def test_a_study_without_groups_has_no_figure(data: FigureData, grouped: FigureData) -> None:
    figure = drawing("subgroups")
    assert "asks for no groups" in figure.lack(data) and not figure.lack(grouped)
    nothing = replace(grouped, subgroups=grouped.subgroups.assign(value=float("nan")))
    assert "has a value" in figure.lack(nothing)


def test_marks_stand_where_the_table_says(grouped: FigureData) -> None:
    rows = rows_of(grouped)
    # Means over seeds of the whole alone.
    assert rows["cell"].isna().all() and rows["task"].isna().all() and len(rows) == 4 * 5
    with style.styled():
        figure = drawing("subgroups").draw(grouped)
    sex, age = figure.axes
    assert sex.get_title(loc="left") == "sex"
    marks = sorted(float(line.get_xdata()[0]) for line in sex.lines if line.get_markersize() == 7.5)
    means = means_of(rows[rows["column"] == "sex"])
    assert marks == pytest.approx(sorted(means["value"]))
    lines = sorted(tuple(line.get_xdata()) for line in sex.lines if line.get_linewidth() == 2)
    bounds = sorted(means[["low", "high"]].itertuples(index=False, name=None))
    assert [pytest.approx(pair) for pair in bounds] == lines
    dots = sorted(x for dots in sex.collections for x in dots.get_offsets()[:, 0])
    assert dots == pytest.approx(sorted(rows.loc[rows["column"] == "sex", "value"]))
    with style.styled():
        text = words_in(style.svg_text(figure, "subgroups"))
    assert "F: 40 studies of 30 patients" in text and text.count("no value") == 2
    masked = replace(grouped, masked=frozenset(rows["dataset"]))
    with style.styled():
        text = words_in(style.svg_text(drawing("subgroups").draw(masked), "subgroups"))
    assert "F: 40 films of 30 patients" in text and "studies" not in text
    assert len(age.lines) > 0


def test_the_caption_names_groups_without_a_value(grouped: FigureData) -> None:
    told = drawing("subgroups").caption(grouped)
    assert told.endswith("Without a value: under 40 (age).")
    assert "single networks" in told and "no test" in told
    one = grouped.subgroups.query("architecture == 'resnet18'")
    again = drawing("subgroups").caption(replace(grouped, subgroups=pd.DataFrame(one)))
    assert "single networks" not in again
