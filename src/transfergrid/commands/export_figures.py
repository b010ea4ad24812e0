"""A study's figures as PDF and PNG: drawn again as they were for the page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure as Canvas

from transfergrid.planning.planned import PlannedStudy
from transfergrid.planning.unchanged import hold_figures
from transfergrid.reporting.figures import style
from transfergrid.reporting.figures.data import FigureData, read_figure_data
from transfergrid.reporting.figures.drawing import DECLARED, module_of
from transfergrid.reporting.figures.files import read_drawn
from transfergrid.reporting.figures.own import own_canvas
from transfergrid.runtime.atomic import replacing_directory
from transfergrid.runtime.hashing import canonical_json
from transfergrid.runtime.progress import progress

DOTS = 300
"""Dots an inch of a PNG."""
_NO_DATES: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
}


def write_figures(study: PlannedStudy, results: Path, folder: Path, form: str) -> int:
    """Draw every figure that the study's run has drawn.

    Equal results give equal bytes. Letters of a PDF are letters, in the font that matplotlib
    carries.

    Args:
        study: A finished study.
        results: The folder of results.
        folder: Where to; what was there is replaced.
        form: "pdf" or "png".

    Returns:
        The number of figures.

    Raises:
        UserError: A table or figure is not what was written, or a study's own code fails.
    """
    content = json.loads(canonical_json(study.content("figures")))
    hold_figures(content)
    names = [drawn.shown.name for drawn in read_drawn(results / study.name)]
    data = read_figure_data(content, results)
    with replacing_directory(folder) as new:
        for name, canvas in progress(canvases(data, names), len(names), "drawing figures"):
            path = new / f"{name}.{form}"
            with style.styled(), rc_context({"pdf.fonttype": 42}):
                canvas.savefig(path, format=form, dpi=DOTS, metadata=_NO_DATES[form])
    return len(names)


def canvases(data: FigureData, names: list[str]) -> Iterator[tuple[str, Canvas]]:
    """Yield figures by name, each drawn when it is asked for."""
    for name in names:
        if name in data.own:
            found = own_canvas(name, data.own[name], data)
            if found is not None:
                yield name, found[0]
        else:
            with style.styled():
                canvas = module_of(DECLARED[name]).draw(data)
            yield name, canvas
