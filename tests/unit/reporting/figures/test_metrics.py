"""Figures of other metrics than AUROC: their names, ranges and better sides, one beside another."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from unit.reporting.built_in_words import WORDS
from unit.reporting.figures.wide import as_loss, beside, wide

from transfergrid.catalog.metrics import METRICS
from transfergrid.reporting.figures import boosts, score, seeds, style, tasks
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.figures.drawing import draw_all
from transfergrid.reporting.metric_words import MetricWords, metric_words


@pytest.fixture(scope="module")
def loss() -> FigureData:
    """A study whose metric has no upper bound and is better where it is lower."""
    return as_loss(wide(3, tasks=("Edema", "Pneumonia")))


@pytest.fixture(scope="module")
def mixed(loss: FigureData) -> FigureData:
    """A study of two data sets, one scored by AUROC and one by the loss."""
    return beside(wide(3, tasks=("Edema", "Pneumonia")), loss)


def words_in(svg: str) -> str:
    texts = ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    return "\n".join("".join(text.itertext()) for text in texts)


def test_a_study_without_auroc_does_not_speak_of_it(loss: FigureData) -> None:
    for drawn in draw_all(loss):
        told = f"{words_in(drawn.svg)}\n{drawn.shown.title}\n{drawn.shown.caption}"
        assert "auroc" not in told.lower(), drawn.shown.name
        if drawn.shown.name not in ("calibration", "losses"):  # of probabilities, and of training
            assert re.search(r"log loss", told, re.IGNORECASE), drawn.shown.name
            assert drawn.shown.name == "seeds" or "lower" in told, drawn.shown.name


def test_the_best_network_stands_first_and_is_the_brightest(loss: FigureData) -> None:
    cells = loss.finished.groupby(["architecture", "truncation", "pretraining"])["score"].mean()
    best = cells.groupby("architecture").min().sort_values()
    with style.styled():
        (ax,) = score.draw(loss).axes
        panels = tasks.draw(loss).axes
    assert [text.get_text() for text in ax.texts if text.get_weight() == "bold"] == list(best.index)
    low, high = ax.get_xlim()
    assert low < loss.cells["score_low"].min() and loss.cells["score_high"].max() < high
    colours, values = [], []
    for panel in panels:
        mesh = panel.collections[0]
        colours += [sum(to_rgb(colour)) for colour in mesh.to_rgba(mesh.get_array()).reshape(-1, 4)]
        values += list(np.asarray(mesh.get_array()).ravel())
        numbers = [float(text.get_text()) for text in panel.texts]
        assert numbers == [round(value, 2) for value in np.asarray(mesh.get_array()).ravel()]
    assert np.argmax(colours) == np.argmin(values)
    assert np.argmin(colours) == np.argmax(values)


def test_each_metric_has_its_own_axis(mixed: FigureData) -> None:
    with style.styled():
        forests = [figure.draw(mixed).axes for figure in (score, seeds, boosts)]
    for axes in forests:
        assert len(axes) == 2
        told = [ax.get_xlabel() for ax in axes]
        assert "AUROC" in told[0] and "log loss" in told[1]
        spans = [np.ptp(ax.get_xlim()) for ax in axes]
        assert spans[1] > 5 * spans[0]
    titles = {drawn.shown.name: drawn.shown for drawn in draw_all(mixed)}
    assert titles["score"].title == "Score of every network"
    assert "macro AUROC on films" in titles["score"].caption
    assert "macro log loss on scans, where lower is better" in titles["score"].caption
    assert "±0.02 AUROC and ±0.28 log loss" in titles["truncation"].caption


def test_words_come_from_the_declarations() -> None:
    own = {"title": "Log loss", "per": "task", "higher_is_better": False, "range": [0, None]}
    found = metric_words({"metrics": {"log_loss": own}})["log_loss"]
    assert (found.mean, found.score) == ("macro log loss", "Macro log loss")
    assert (found.low, found.high) == (0, np.inf)
    kappa = MetricWords("Quadratic kappa", averaged=False, low=-1, high=1)
    assert (kappa.mean, kappa.score, kappa.direction) == ("quadratic kappa", "Quadratic kappa", "")
    assert WORDS["auroc"].mean == "macro AUROC"


def test_captions_say_what_the_intervals_of_a_cut_score_take_as_given() -> None:
    assert {name for name, words in WORDS.items() if words.thresholded} == {
        metric.name for metric in METRICS if metric.operating_point
    }
    data = wide(2)
    cut = replace(data, cells=data.cells.assign(metric="balanced_accuracy"), metrics=WORDS)
    given = "(cluster-robust, operating points from validation scores taken as given)"
    for figure in (score, seeds):
        assert "(cluster-robust)" in figure.caption(data)
        assert given in figure.caption(cut)
