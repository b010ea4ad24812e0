"""What figures are drawn from, which tests read and do not change."""

from __future__ import annotations

import pytest
from unit.reporting import fabricate

from transfergrid.reporting.figures.data import FigureData, read_figure_data
from transfergrid.reporting.figures.files import read_drawn


@pytest.fixture(scope="session")
def data(drawn_tree: fabricate.Tree) -> FigureData:
    return read_figure_data(drawn_tree.study, drawn_tree.results)


@pytest.fixture(scope="session")
def drawn(drawn_tree: fabricate.Tree) -> dict[str, str]:
    """The SVG of each of its figures by name."""
    found = read_drawn(drawn_tree.results / "demo")
    return {one.shown.name: one.svg for one in found}
