from __future__ import annotations

import pandas as pd
import pytest
from unit.reporting import fabricate

from transfergrid.reporting.tables.cells import cells_table
from transfergrid.reporting.tables.files import read_table, write_table


@pytest.fixture(scope="session")
def cells(tree: fabricate.Tree, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """cells.csv of the made-up study, as it is read from the disk."""
    path = tmp_path_factory.mktemp("tables") / "cells.csv"
    write_table(cells_table(tree.study, tree.results), path)
    return read_table(path)
