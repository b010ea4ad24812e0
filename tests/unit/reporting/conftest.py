from __future__ import annotations

import pytest
from unit.reporting import fabricate

from transfergrid.reporting.figures.data import read_figure_data
from transfergrid.reporting.figures.drawings import draw_all
from transfergrid.reporting.tables.stage_files import seal_stage


@pytest.fixture(scope="session")
def drawn_tree(tmp_path_factory: pytest.TempPathFactory) -> fabricate.Tree:
    """A whole made-up study, figures included."""
    tree = fabricate.fabricate(tmp_path_factory.mktemp("drawn"))
    folder = tree.results / "demo" / "figures"
    folder.mkdir()
    for name, text in draw_all(read_figure_data(tree.study, tree.results)).items():
        (folder / f"{name}.svg").write_text(text, encoding="utf-8")
    seal_stage(folder.parent, "figures")
    return tree
