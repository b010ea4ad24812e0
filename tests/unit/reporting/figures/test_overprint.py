"""No label of any figure stands on another or beyond the figure, however wide the study."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from unit.reporting.figures.wide import as_loss, beside, wide

from transfergrid.catalog.figures import FIGURES
from transfergrid.reporting.figures import style
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.figures.drawing import lacking, module_of
from transfergrid.reporting.figures.names import in_two_lines, shortened

STUDIES = {
    "one network": wide(1),
    "one cell": wide(1, pretrainings=1, cuts=0),
    "two networks": wide(2, pretrainings=3),
    "three long names": wide(3, pretrainings=3, long=True, cuts=1),
    "sixteen networks": wide(16, pretrainings=4, cuts=2),
    "two recipes": wide(3, pretrainings=2, cuts=1, protocols=2),
    "two metrics": beside(wide(3, cuts=1), as_loss(wide(3, cuts=1))),
    "many tasks": wide(2, cuts=0, tasks=tuple(f"Finding number {i}" for i in range(24))),
}


def boxes(figure: Figure) -> Iterator[tuple[str, Bbox]]:
    """Yield every text that is drawn with its box in pixels, but slanted ones."""
    figure.draw_without_rendering()
    undrawn: set[Text] = set()
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            drawn = axis._update_ticks()  # ticks beyond the panel's limits are not
            ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
            undrawn |= {tick.label1 for tick in ticks if tick not in drawn}
    for text in figure.findobj(Text):
        shown = text.get_visible() and text not in undrawn and text.get_text().strip()
        if shown and text.get_rotation() in (0, 90):
            yield text.get_text(), Text.get_window_extent(text)  # without the line that leads to it


def faults(figure: Figure) -> list[str]:
    """Name texts that overlap by more than half a pixel a side, or end beyond the figure."""
    names, found = zip(*boxes(figure), strict=True)
    low, high = (np.array([getattr(box, end) for box in found]) for end in ("min", "max"))
    out = (low < -1).any(axis=1) | (high > np.array(figure.bbox.size) + 1).any(axis=1)
    room = np.maximum(low[:, None], low) + 1.2 < np.minimum(high[:, None], high)
    pairs = np.argwhere(np.triu(room.all(axis=2), 1))
    return [f"{names[i]!r} ends beyond the figure" for i in np.flatnonzero(out)] + [
        f"{names[i]!r} stands on {names[j]!r}" for i, j in pairs
    ]


@pytest.mark.parametrize("name", STUDIES)
def test_no_label_stands_on_another(name: str) -> None:
    data: FigureData = STUDIES[name]
    told, without = {}, lacking(data)
    for figure in FIGURES:
        if figure.name not in without:
            with style.styled():
                told[figure.name] = faults(module_of(figure).draw(data))
    assert {figure: found[:4] for figure, found in told.items() if found} == {}


def test_labels_that_do_overprint_are_found() -> None:
    with matplotlib.rc_context(dict(style.STYLE)):
        figure = style.new_figure(1)
        figure.set_layout_engine("none")
        for at in (0.1, 0.15, 0.99):
            figure.text(at, 0.5, "label")
    assert faults(figure) == ["'label' ends beyond the figure", "'label' stands on 'label'"]


def test_titles_of_two_lines_lose_nothing_and_longer_ones_stay_apart() -> None:
    long = [f"cbr_tiny_32, on {name}, recipe few.patients30, of many words" for name in "ab"]
    names = ["on films", "cbr_tiny_32, on films, recipe whole", *long, "x" * 40]
    found = in_two_lines(names, 26)
    assert found["on films"] == "on films"
    assert found[names[1]].replace("\n", " ") == names[1]
    assert all(len(line) <= 26 for title in found.values() for line in title.split("\n"))
    assert len(set(found.values())) == len(names)


def test_shortened_names_stay_apart() -> None:
    names = ["a" * 40 + str(i) + "b" * 40 for i in range(12)] + ["short"]
    found = shortened(names, 20)
    assert len(set(found.values())) == 13
    assert max(map(len, found.values())) <= 20
    assert found["short"] == "short"
