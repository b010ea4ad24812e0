"""Figures as tests look at them."""

from __future__ import annotations

from xml.etree import ElementTree

from transfergrid.catalog.figures import FIGURES
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.figures.drawing import Module, draw_all, module_of

WEIGHED = ["drift", "layer_reset", "filters"]
ALIKE = [figure.name for figure in FIGURES if figure.section != "figures"]
SPEED = ["convergence", "time_to_level"]
UNASKED = [
    "critical_difference",
    "published",
    "gains",
    "precision_recall",
    "curves",
    "confusion",
    *SPEED,
    "cams",
    *WEIGHED,
    *ALIKE,
]
"""Made-up networks are none of a paper's; nobody asks for gains, other metrics, maps or pairs."""


def words_in(svg: str) -> str:
    texts = ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    return "\n".join("".join(text.itertext()) for text in texts)


def drawing(name: str) -> Module:
    return module_of(next(figure for figure in FIGURES if figure.name == name))


def svgs(data: FigureData) -> dict[str, str]:
    return {drawn.shown.name: drawn.svg for drawn in draw_all(data)}
