"""Drawing: every figure that has something to show, as SVG text with its caption."""

from __future__ import annotations

import importlib
from typing import Protocol, cast

from matplotlib.figure import Figure as Canvas

from transfergrid.catalog.figures import FIGURES, Figure
from transfergrid.reporting.figures import style
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.figures.files import Drawn, Shown
from transfergrid.reporting.figures.own import draw_own
from transfergrid.runtime.errors import UserError, listed

DECLARED = {figure.name: figure for figure in FIGURES}


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


def lacking(data: FigureData) -> dict[str, str]:
    """Return by name why a figure has nothing to show; those that have are left out."""
    reasons = {name: module_of(figure).lack(data) for name, figure in DECLARED.items()}
    return {name: reason for name, reason in reasons.items() if reason}


def draw_all(data: FigureData) -> list[Drawn]:
    """Draw every figure that has something to show, the study's own ones last.

    Equal data give equal bytes.

    Raises:
        UserError: A study's own figure cannot be drawn.
    """
    without = lacking(data)
    found = [_drawn(figure, data) for name, figure in DECLARED.items() if name not in without]
    own = [draw_own(name, reference, data) for name, reference in data.own.items()]
    return found + [drawn for drawn in own if drawn is not None]


def draw_one(data: FigureData, name: str) -> Drawn:
    """Draw one figure by its name.

    Raises:
        UserError: There is none of that name, it has nothing to show, or it cannot be drawn.
    """
    known = [*DECLARED, *data.own]
    if name not in known:
        raise UserError(f"there is no figure '{name}'; there are {listed(known, len(known))}.")
    if name in data.own:
        drawn, reason = draw_own(name, data.own[name], data), "its function returned None."
    else:
        reason = module_of(DECLARED[name]).lack(data)
        drawn = None if reason else _drawn(DECLARED[name], data)
    if drawn is None:
        raise UserError(f"figure '{name}' has nothing to show: {reason}")
    return drawn


def _drawn(figure: Figure, data: FigureData) -> Drawn:
    module = module_of(figure)
    with style.styled():
        svg = style.svg_text(module.draw(data), figure.name)
    drawn = module.drawn_cells(data) if hasattr(module, "drawn_cells") else data.cells
    title = figure.title.format(metric=data.metric(drawn).title)
    return Drawn(Shown(figure.name, title, module.caption(data)), svg)
