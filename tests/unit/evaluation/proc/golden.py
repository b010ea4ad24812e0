"""Scores of pairs of models, and what R's pROC made of them; see make_golden.R."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent


def cases() -> dict[str, tuple[np.ndarray, np.ndarray, pd.Series]]:
    """Return scores (2, N), labels (N,) and pROC's numbers of each case, by its name."""
    scores = pd.read_csv(HERE / "scores.csv")
    golden = pd.read_csv(HERE / "golden.csv", comment="#").set_index("case")
    return {
        str(name): (rows[["a", "b"]].to_numpy().T, rows["label"].to_numpy(float), golden.loc[name])
        for name, rows in scores.groupby("case", sort=False)
    }
