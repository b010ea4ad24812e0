from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from transfergrid.reporting.tables.files import read_table, write_table


def test_csv_gives_back_every_number_and_every_name(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {"name": ["NA", "nan", "a,b"], "x": rng.random(3) / 3, "y": [1, np.nan, 2]}
    )
    write_table(table, tmp_path / "t.csv")
    pd.testing.assert_frame_equal(read_table(tmp_path / "t.csv"), table, check_dtype=False)
    assert list(read_table(tmp_path / "t.csv")["x"]) == list(table["x"])


def test_names_of_digits_stay_text(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"cell": ["a", "b"], "task": ["07", None], "fold": ["0", "1"], "n": [1, 2]}
    )
    write_table(table, tmp_path / "t.csv")
    again = read_table(tmp_path / "t.csv")
    assert again["task"][0] == "07" and again["task"].isna()[1]
    assert list(again["fold"]) == ["0", "1"]
    assert list(again["n"]) == [1, 2]
