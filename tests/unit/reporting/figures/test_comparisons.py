"""Figures that set one thing beside another: pretrainings on shared networks, a paper and us."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from unit.reporting import fabricate
from unit.reporting.figures.papers_figure import against_the_papers_figure
from unit.reporting.made_up_scores import SCORE_TASKS

from transfergrid.reporting.figures import calibration, published, style
from transfergrid.reporting.figures.data import (
    FigureData,
)
from transfergrid.reporting.figures.published import published_of
from transfergrid.reporting.tables.calibration import comparisons


def test_reliability_pools_scored_tasks_of_the_cells_that_all_share(
    data: FigureData, drawn_tree: fabricate.Tree
) -> None:
    table = data.reliability
    assert list(table["pretraining"].unique()) == ["random", "shapes"]
    assert set(table["comparison"]) == {"random, shapes"}
    place = ["architecture", "truncation", "seed"]
    arms = data.finished.groupby(place)["pretraining"].transform("nunique")
    for pretraining, rows in table.groupby("pretraining"):
        mine = data.finished["pretraining"] == pretraining
        cells = data.finished[mine & (arms == 2)]["cell"]
        assert len(cells) < mine.sum()
        parts = [
            pd.read_parquet(drawn_tree.results / "demo" / "ensemble" / c / "top3" / "test.parquet")
            for c in cells
        ]
        p = np.concatenate([part[[f"prob_{t}" for t in SCORE_TASKS]].to_numpy() for part in parts])
        y = np.concatenate([part[[f"label_{t}" for t in SCORE_TASKS]].to_numpy() for part in parts])
        known = ~np.isnan(y)
        assert set(rows["n_cases"]) == {known.sum()} == {rows["n"].sum()}
        assert set(rows["n_studies"]) == {len(parts[0])}
        assert set(rows["n_patients"]) == {parts[0]["patient_id"].nunique()}
        assert list(rows["bin"]) == list(range(1, len(rows) + 1))
        assert set(rows["n_cells"]) == {len(cells)}
        assert set(rows["n_cells_left_out"]) == {mine.sum() - len(cells)}
        assert rows["brier"].iloc[0] == pytest.approx(np.mean((p[known] - y[known]) ** 2))
        assert rows["predicted"].is_monotonic_increasing
    with style.styled():
        (ax,) = calibration.draw(data).axes
    told = ax.get_title(loc="left").split("\n")
    assert [line.partition(":")[0] for line in told] == [
        "On 6 networks; ECE, Brier",
        "random",
        "shapes",
    ]


@pytest.mark.parametrize(
    ("having", "expected"),
    [
        ({"random": "abc", "x": "ab"}, [("random, x", "ab")]),
        ({"x": "bc", "random": "ab", "y": "bd"}, [("random, x, y", "b")]),
        ({"random": "abc", "x": "ab", "y": "c"}, [("random, x", "ab"), ("random, y", "c")]),
        (
            {"random": "ab", "x": "a", "y": "a", "z": "b"},
            [("random, x, y", "a"), ("random, z", "b")],
        ),
        ({"random": "a", "x": "b"}, [("random", "a"), ("x", "b")]),
        ({"x": "ab"}, [("x", "ab")]),
    ],
)
def test_calibration_compares_networks_that_pretrainings_share(
    having: dict[str, str], expected: list[tuple[str, str]]
) -> None:
    cells = pd.DataFrame(
        [
            {"pretraining": name, "architecture": network, "truncation": 0, "seed": 0}
            for name, networks in having.items()
            for network in networks
        ]
    ).assign(protocol="p")
    found = comparisons(cells)
    assert [
        (", ".join(one.pretrainings), "".join(sorted(network[0] for network, _ in one.cells)))
        for one in found
    ] == expected


def test_a_published_figure_is_set_beside_ours_arms_apart(data: FigureData) -> None:
    shown = against_the_papers_figure(data)
    with style.styled():
        figure = published.draw(shown)
    axes = [ax for ax in figure.axes if ax.get_visible()]
    titles = [ax.get_title(loc="left") for ax in axes]
    assert [title.split()[0] for title in titles] == ["shapes", "random"]
    assert "ρ +0.80 (−0.10 to +0.98)" in titles[0] and "theirs −0.130" in titles[0]
    x, y = (np.asarray(v) for v in axes[0].lines[-1].get_data())
    assert sorted(x) == [0.8585, 0.8593, 0.8609, 0.8618]
    assert y[list(x).index(0.8618)] == pytest.approx(0.7)  # resnet18, the first
    assert all("digitised" in ax.get_xlabel() for ax in axes)
    caption = published.caption(shown)
    assert "digitised" in caption and "shapes stands for imagenet" in caption
    assert "first author's site" in caption


def test_a_study_of_another_metric_is_set_beside_a_paper_by_its_aurocs(data: FigureData) -> None:
    shown = against_the_papers_figure(data)
    names = {"score": "value", "score_low": "low", "score_high": "high"}
    scores = shown.cells[["cell", "metric", *names]].rename(columns=names)
    other = shown.cells.assign(metric="log_loss", score=1.0, score_low=0.9, score_high=1.1)
    by_loss = replace(shown, cells=other, scores=scores.assign(task=np.nan))
    with style.styled():
        expected, found = published.draw(shown), published.draw(by_loss)
        assert style.svg_text(found, "x") == style.svg_text(expected, "x")
    assert published.caption(by_loss).startswith("Macro AUROC of whole networks")
    assert published.lack(replace(by_loss, scores=pd.DataFrame()))
    assert published.lack(replace(by_loss, findings=shown.findings.assign(question="mine")))


def test_without_three_shared_networks_there_is_no_such_figure(data: FigureData) -> None:
    shown = against_the_papers_figure(data)
    few = replace(shown, cells=shown.cells.iloc[:2], findings=shown.findings.iloc[:0])
    assert published_of(few) == [] and published.lack(few)
    assert published_of(data) == []
    assert published_of(shown) and not published.lack(shown)
