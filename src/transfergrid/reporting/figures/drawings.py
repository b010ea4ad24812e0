"""The figures of a study: their names, titles, drawings and captions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.figure import Figure

from transfergrid.reporting.figures import captions, style
from transfergrid.reporting.figures.boost_plot import boost_lack, boost_panels
from transfergrid.reporting.figures.calibration_plot import calibration_lack, calibration_panels
from transfergrid.reporting.figures.curves import (
    learning_curves,
    learning_lack,
    truncation_curves,
    truncation_lack,
)
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.figures.forest import (
    auroc_forest,
    auroc_lack,
    boosts_forest,
    boosts_lack,
)
from transfergrid.reporting.figures.heatmap import task_heatmap, tasks_lack
from transfergrid.reporting.figures.published_plot import published_lack, published_panels
from transfergrid.reporting.figures.scatter import correlation_lack, correlation_panels
from transfergrid.reporting.figures.seeds import seed_plot, seeds_lack


@dataclass(frozen=True)
class Drawing:
    """One figure of every study.

    Attributes:
        name: File name without ``.svg``, and anchor on the page.
        title: Heading on the page.
        lack: Says why a study has nothing to show here; an empty string if it has.
        draw: Makes the figure of a study that has.
        caption: States n, the interval and the test.
    """

    name: str
    title: str
    lack: Callable[[FigureData], str]
    draw: Callable[[FigureData], Figure]
    caption: Callable[[FigureData], str]


DRAWINGS = (
    Drawing("auroc", "AUROC of every network", auroc_lack, auroc_forest, captions.auroc),
    Drawing("tasks", "AUROC of every task", tasks_lack, task_heatmap, captions.tasks),
    Drawing("seeds", "What the seed does", seeds_lack, seed_plot, captions.seeds),
    Drawing("boosts", "Paired differences", boosts_lack, boosts_forest, captions.boosts),
    Drawing(
        "truncation",
        "What truncation costs",
        truncation_lack,
        truncation_curves,
        captions.truncation,
    ),
    Drawing(
        "correlation",
        "AUROC against ImageNet accuracy and size",
        correlation_lack,
        correlation_panels,
        captions.correlation,
    ),
    Drawing("boost_size", "Boost against size", boost_lack, boost_panels, captions.boost_size),
    Drawing(
        "published",
        "Published against ours",
        published_lack,
        published_panels,
        captions.published,
    ),
    Drawing(
        "calibration", "Calibration", calibration_lack, calibration_panels, captions.calibration
    ),
    Drawing("learning", "Learning curves", learning_lack, learning_curves, captions.learning),
)


CAMS_TITLE = "What the networks look at"
"""Heading of the maps' figure, which a program of its own draws for studies that ask for it."""


def draw_all(data: FigureData) -> dict[str, str]:
    """Draw every figure and return its SVG text by name; equal data give equal bytes.

    What a study has nothing to show of is a sentence that says why, for the rule that draws has the
    same files for every study. The page leaves it out.
    """
    texts = {}
    for drawing in DRAWINGS:
        with style.styled():
            lack = drawing.lack(data)
            figure = style.sentence_only(lack) if lack else drawing.draw(data)
            texts[drawing.name] = style.svg_text(figure, drawing.name)
    return texts
