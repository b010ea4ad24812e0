from __future__ import annotations

import pytest
from unit.reporting import fabricate

from transfergrid.reporting.figures.data import read_figure_data
from transfergrid.reporting.figures.drawing import draw_all
from transfergrid.reporting.figures.files import write_drawn


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> fabricate.Tree:
    """A whole made-up study without figures; tests read it and change nothing."""
    return fabricate.fabricate(tmp_path_factory.mktemp("drawn"))


@pytest.fixture(scope="session")
def drawn_tree(tree: fabricate.Tree) -> fabricate.Tree:
    """The same study, figures included."""
    write_drawn(tree.results / "demo", draw_all(read_figure_data(tree.study, tree.results)))
    return tree
