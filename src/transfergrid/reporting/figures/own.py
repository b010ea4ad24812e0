"""A study's own figures: what its code returns, checked and drawn as the others are."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from transfergrid.reporting.figures import style
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.figures.files import Drawn, Shown
from transfergrid.reporting.page.inline_svg import inline_svg
from transfergrid.reporting.words import capital
from transfergrid.runtime.errors import UserError, printable


def draw_own(name: str, reference: str, data: FigureData) -> Drawn | None:
    """Have a study's own code draw a figure.

    Args:
        name: Its name in the study.
        reference: ``module:function``. The function takes the figures' data and returns a
            matplotlib figure, or a pair of it and its caption, or None where there is nothing to
            show.
        data: What it is drawn from.

    Returns:
        The figure; None where there is nothing to show.

    Raises:
        UserError: The code fails, or returns something else or something that a page must not hold.
    """
    found = own_canvas(name, reference, data)
    if found is None:
        return None
    canvas, caption = found
    title = capital(name.replace("_", " "))
    with _told(name, reference):
        svg = style.svg_text(canvas, name)
    inline_svg(svg, name, title)
    return Drawn(Shown(name, title, caption), svg)


def own_canvas(name: str, reference: str, data: FigureData) -> tuple[Figure, str] | None:
    """Have a study's own code make a figure, and return it with its caption; see `draw_own`.

    Raises:
        UserError: The code fails, or returns something else.
    """
    module, _, function = reference.partition(":")
    with _told(name, reference):
        made = getattr(import_module(module), function)(_copied(data))
        return None if made is None else _parts(made, f"figure '{name}': {reference}")


@contextmanager
def _told(name: str, reference: str) -> Iterator[None]:
    """Draw in the house's style, and turn a failure of a study's own code into a sentence."""
    with style.styled():
        try:
            yield
        except UserError:
            raise
        except Exception as error:
            where = _where(error, reference.partition(":")[0])
            raise UserError(
                f"figure '{name}' was not drawn: {reference} failed {where}"
                f"({type(error).__name__}: {printable(error, 200)}); correct it, or take it out of "
                "the study's figures."
            ) from error


def _copied(data: FigureData) -> FigureData:
    """Copy the tables, so that a function which changes them changes no other figure."""
    copies: dict[str, Any] = {
        key: value.copy() for key, value in vars(data).items() if isinstance(value, pd.DataFrame)
    }
    return replace(data, **copies)


def _parts(made: Any, start: str) -> tuple[Figure, str]:
    canvas, caption = made if isinstance(made, tuple) and len(made) == 2 else (made, "")
    if not isinstance(canvas, Figure) or not isinstance(caption, str):
        raise UserError(
            f"{start} returned {_kind(made)}; return a matplotlib figure, a pair of it and its "
            "caption, or None where there is nothing to show."
        )
    return canvas, caption


def _kind(made: Any) -> str:
    if isinstance(made, tuple):
        return f"a tuple of {', '.join(type(part).__name__ for part in made) or 'nothing'}"
    return f"a {type(made).__name__}"


def _where(error: BaseException, module: str) -> str:
    """Name the last line of the user's module through which the fault came, if there is one."""
    file = getattr(import_module(module), "__file__", None) if module else None
    frames = [each for each in traceback.extract_tb(error.__traceback__) if each.filename == file]
    return f"in line {frames[-1].lineno} " if frames else ""
