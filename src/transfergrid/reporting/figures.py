"""The figures of a study: their names, titles, drawings and captions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.figure import Figure

from transfergrid.reporting import captions, style
from transfergrid.reporting.boost_plot import boost_panels
from transfergrid.reporting.calibration_plot import calibration_panels
from transfergrid.reporting.curves import learning_curves, truncation_curves
from transfergrid.reporting.figure_data import FigureData
from transfergrid.reporting.forest import auroc_forest, boosts_forest
from transfergrid.reporting.heatmap import task_heatmap
from transfergrid.reporting.scatter import correlation_panels
from transfergrid.reporting.seeds import seed_plot


@dataclass(frozen=True)
class Drawing:
    """One figure of every study.

    Attributes:
        name: File name without ``.svg``, and anchor on the page.
        title: Heading on the page.
        draw: Makes the figure; with nothing to show, one sentence that says why.
        caption: States n, the interval and the test.
    """

    name: str
    title: str
    draw: Callable[[FigureData], Figure]
    caption: Callable[[FigureData], str]


DRAWINGS = (
    Drawing("auroc", "AUROC of every network", auroc_forest, captions.auroc),
    Drawing("tasks", "AUROC of every task", task_heatmap, captions.tasks),
    Drawing("seeds", "What the seed does", seed_plot, captions.seeds),
    Drawing("boosts", "Paired differences", boosts_forest, captions.boosts),
    Drawing("truncation", "What truncation costs", truncation_curves, captions.truncation),
    Drawing(
        "correlation",
        "AUROC against ImageNet accuracy and size",
        correlation_panels,
        captions.correlation,
    ),
    Drawing("boost_size", "Boost against size", boost_panels, captions.boost_size),
    Drawing("calibration", "Calibration", calibration_panels, captions.calibration),
    Drawing("learning", "Learning curves", learning_curves, captions.learning),
)


CAMS_TITLE = "What the networks look at"
"""Heading of the maps' figure, which a program of its own draws for studies that ask for it."""


def draw_all(data: FigureData) -> dict[str, str]:
    """Draw every figure and return its SVG text by name; equal data give equal bytes."""
    texts = {}
    for drawing in DRAWINGS:
        with style.styled():
            texts[drawing.name] = style.svg_text(drawing.draw(data), drawing.name)
    return texts
