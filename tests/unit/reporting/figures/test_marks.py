"""Marks stand where the tables say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from unit.reporting.figures.drawn import drawing
from unit.reporting.figures.wide import beside, folded, wide

from transfergrid.reporting.figures import palette, style
from transfergrid.reporting.figures.boost_size import boosts_of
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.figures.seeds import seed_spread
from transfergrid.reporting.figures.summaries import seed_means


def test_dots_stand_where_the_table_says(data: FigureData) -> None:
    with style.styled():
        figure = drawing("score").draw(data)
    ax = figure.axes[0]
    means = [float(line.get_xdata()[0]) for line in ax.lines if line.get_markersize() == 7.5]
    expected = seed_means(data.cells)["score"].dropna()
    assert sorted(means) == pytest.approx(sorted(expected))
    seeds = np.concatenate([dots.get_offsets()[:, 0] for dots in ax.collections])
    several = data.finished.groupby(["architecture", "pretraining", "truncation"])["score"]
    repeated = several.transform("size") > 1
    assert set(seeds) == set(data.finished.loc[repeated, "score"])


def test_contrasts_stand_where_the_table_says(data: FigureData) -> None:
    with style.styled():
        ax = drawing("boosts").draw(data).axes[0]
    squares = [line for line in ax.lines if line.get_marker() == "s"]
    assert [line.get_xdata()[0] for line in squares] == list(data.contrasts["estimate"])
    clear = (data.contrasts["low"] > 0) | (data.contrasts["high"] < 0)
    assert [line.get_markerfacecolor() != palette.PAPER for line in squares] == list(clear)
    arms = [list(line.get_xdata()) for line in ax.lines if line.get_linewidth() == 2]
    assert arms == data.contrasts[["low", "high"]].to_numpy().tolist()


def test_boosts_stand_at_their_networks_sizes(data: FigureData) -> None:
    table = boosts_of(data)
    assert list(table["architecture"]) == list(dict.fromkeys(data.cells["architecture"]))
    for row in table.to_dict("records"):
        cells = data.cells[
            (data.cells["architecture"] == row["architecture"])
            & (data.cells["truncation"] == 0)
            & (data.cells["pretraining"] == "shapes")
        ]
        assert row["params"] == cells["params"].mean()
        assert row["contrast"].startswith(f"{row['architecture']}, whole network")
    rho = data.correlations[data.correlations["x"] == "params"].tail(1)
    rho = rho.assign(y="boost", protocol="finetune", rho=-0.72)
    asked = replace(data, correlations=pd.concat([data.correlations, rho]))
    for found, told in ((data, ""), (asked, "\nρ −0.72")):
        with style.styled():
            (ax,) = drawing("boost_size").draw(found).axes
        title = ax.get_title(loc="left")
        assert title.startswith("shapes − random" + told)
        assert ("ρ" in title) == bool(told)
        low, high = ax.get_ylim()
        assert low < min(0, table["low"].min()) and high > max(0, table["high"].max())


def test_the_grid_of_tasks_has_every_mean_in_its_place(data: FigureData) -> None:
    with style.styled():
        axes = drawing("tasks").draw(data).axes
    assert len(axes) == 2
    for ax, pretraining in zip(axes, data.pretrainings, strict=True):
        mine = data.finished[data.finished["pretraining"] == pretraining]
        rows = [label.get_text() for label in ax.get_yticklabels()]
        columns = [label.get_text() for label in axes[0].get_xticklabels()]
        assert len(rows) == mine.groupby(["architecture", "truncation"]).ngroups
        assert "Fracture" not in columns  # a single class has no AUROC
        for text in ax.texts:
            x, y = (int(v) for v in text.get_position())
            name, _, cut = rows[y].partition(" −")
            same = mine[(mine["architecture"] == name) & (mine["truncation"] == int(cut or 0))]
            own = data.scores[data.scores["cell"].isin(same["cell"])]
            mean = own.loc[own["task"] == columns[x], "value"].mean()
            assert float(text.get_text()) == pytest.approx(mean, abs=0.0051)
    assert axes[0].get_yticklabels()[0].get_text() == "tf_efficientnet_lite0"


def test_one_network_has_one_grid_with_a_row_for_each_pretraining() -> None:
    found = wide(1, pretrainings=3, cuts=0, tasks=("Edema", "Pneumonia"))
    with style.styled():
        (ax,) = drawing("tasks").draw(found).axes
    assert [label.get_text() for label in ax.get_yticklabels()] == list(found.pretrainings)
    for text in ax.texts:
        x, y = (int(v) for v in text.get_position())
        same = found.finished[found.finished["pretraining"] == found.pretrainings[y]]
        own = found.scores[found.scores["cell"].isin(same["cell"])]
        own = own[own["metric"] == "auroc"]
        task = ax.get_xticklabels()[x].get_text()
        mean = own.loc[own["task"] == task, "value"].mean()
        assert float(text.get_text()) == pytest.approx(mean, abs=0.0051)


def test_a_data_set_with_one_task_has_no_grid() -> None:
    several, one = wide(2, tasks=("Edema", "Pneumonia")), wide(2, tasks=("Fracture",))
    with style.styled():
        figure = drawing("tasks").draw(beside(several, one))
    told = [text.get_text() for text in figure.texts]
    assert told and not any("scans" in title for title in told)
    assert len(told) == len(several.pretrainings)


def test_the_grid_of_tasks_marks_what_rests_on_some_of_the_folds(data: FigureData) -> None:
    crossed = folded(data, k=3)
    crossed = replace(crossed, scores=crossed.scores.assign(n_folds=3))
    grid = drawing("tasks")
    assert "*" not in grid.caption(crossed) + grid.caption(data)
    task = crossed.scores["task"].dropna().iloc[0]
    one = crossed.scores["n_folds"].mask(crossed.scores["task"] == task, 1)
    crossed = replace(crossed, scores=crossed.scores.assign(n_folds=one))
    with style.styled():
        axes = grid.draw(crossed).axes
    columns = [label.get_text() for label in axes[0].get_xticklabels()]
    for text in (text for ax in axes for text in ax.texts):
        marked = columns[int(text.get_position()[0])] == task
        assert text.get_text().endswith("*") == marked
    assert "A score with * rests on some of the folds" in grid.caption(crossed)


def test_seeds_stand_around_their_mean(data: FigureData) -> None:
    spread = seed_spread(data.cells)
    several = data.finished.groupby(["architecture", "pretraining", "truncation"])["score"]
    assert sorted(spread["sd"]) == pytest.approx(sorted(several.std().dropna()))
    with style.styled():
        ax = drawing("seeds").draw(data).axes[0]
    dots = [line.get_xdata() for line in ax.lines if line.get_markersize() == 5.5]
    expected = several.transform(lambda seeds: seeds - seeds.mean())[several.transform("size") > 1]
    assert sorted(np.concatenate(dots)) == pytest.approx(sorted(expected))


def test_the_band_is_the_margin_around_the_whole_network(data: FigureData) -> None:
    with style.styled():
        axes = drawing("truncation").draw(data).axes
    means = seed_means(data.finished)
    whole = means[
        (means["truncation"] == 0) & means["architecture"].isin(["resnet18", "lcnet_050"])
    ]
    bands = [patch.get_bbox() for ax in axes for patch in ax.patches]
    middles = [(band.y0 + band.y1) / 2 for band in bands]
    assert sorted(middles) == pytest.approx(sorted(whole["score"]))
    assert [band.height for band in bands] == pytest.approx([0.04] * 4)
    caption = drawing("truncation").caption
    assert "±0.02" in caption(data)
    without = replace(data, contrasts=data.contrasts.assign(margin=np.nan))
    with style.styled():
        assert not [p for ax in drawing("truncation").draw(without).axes for p in ax.patches]
    assert "Band" not in caption(without)


def test_differences_of_nothing_have_a_scale_that_can_be_read() -> None:
    data = wide(2)
    still = data.contrasts.assign(estimate=0.0, low=np.nan, high=np.nan)
    for margin, end in ((np.nan, 0.01), (0.05, 0.05)):
        with style.styled():
            figure = drawing("boosts").draw(replace(data, contrasts=still.assign(margin=margin)))
            figure.canvas.draw()
        ax = figure.axes[0]
        told = [tick.get_text() for tick in ax.get_xticklabels()]
        assert len(set(told)) == len(told) > 2
        assert ax.get_xlim()[0] < -end < end < ax.get_xlim()[1]
