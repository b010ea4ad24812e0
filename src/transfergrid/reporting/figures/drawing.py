"""Drawing: every declared figure that has something to show, as SVG text with its caption."""

from __future__ import annotations

import importlib
from typing import Protocol, cast

from matplotlib.figure import Figure as Canvas

from transfergrid.catalog.figures import FIGURES, Figure
from transfergrid.reporting.figures import style
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.figures.files import Drawn, Shown
from transfergrid.runtime.errors import UserError, listed


class Module(Protocol):
    """What the module of a figure holds."""

    def lack(self, data: FigureData) -> str:
        """Say why there is nothing to show; an empty string where there is."""
        ...

    def draw(self, data: FigureData) -> Canvas:
        """Make the figure of a study that has something to show (inside `style.styled`)."""
        ...

    def caption(self, data: FigureData) -> str:
        """State n, the interval and the test."""
        ...


def module_of(figure: Figure) -> Module:
    """Return the module of a declared figure."""
    return cast(Module, importlib.import_module(figure.module))


def title_of(figure: Figure, data: FigureData) -> str:
    """Return a figure's heading for a study."""
    return figure.title.format(metric=data.metric(data.cells).title)


def lacking(data: FigureData) -> dict[str, str]:
    """Return by name why a figure has nothing to show; those that have are left out."""
    reasons = {figure.name: module_of(figure).lack(data) for figure in FIGURES}
    return {name: reason for name, reason in reasons.items() if reason}


def draw_all(data: FigureData) -> list[Drawn]:
    """Draw every figure that has something to show, in the order of the page.

    Equal data give equal bytes.
    """
    without = lacking(data)
    return [_drawn(figure, data) for figure in FIGURES if figure.name not in without]


def draw_one(data: FigureData, name: str) -> Drawn:
    """Draw one figure by its name.

    Raises:
        UserError: There is none of that name, or it has nothing to show.
    """
    figure = next((each for each in FIGURES if each.name == name), None)
    if figure is None:
        known = listed([each.name for each in FIGURES], len(FIGURES))
        raise UserError(f"there is no figure '{name}'; there are {known}.")
    reason = module_of(figure).lack(data)
    if reason:
        raise UserError(f"figure '{name}' has nothing to show: {reason}")
    return _drawn(figure, data)


def _drawn(figure: Figure, data: FigureData) -> Drawn:
    module = module_of(figure)
    with style.styled():
        svg = style.svg_text(module.draw(data), figure.name)
    return Drawn(Shown(figure.name, title_of(figure, data), module.caption(data)), svg)
