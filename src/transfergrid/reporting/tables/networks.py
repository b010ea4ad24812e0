"""What a cell stands for where pretrainings are compared on the networks that they share."""

from __future__ import annotations

import pandas as pd

Network = tuple[str, int, str]
"""Architecture, truncation, and the protocol where a network has several, else empty."""


def network_keys(cells: pd.DataFrame) -> pd.Series:
    """Return what each cell stands for in a comparison: its network and its seed."""
    same = cells.groupby(["pretraining", "architecture", "truncation"])["protocol"].nunique()
    recipe = cells["protocol"] if (same > 1).any() else [""] * len(cells)
    columns = (cells["architecture"], cells["truncation"], recipe, cells["seed"])
    keys = [((str(a), int(t), str(p)), int(s)) for a, t, p, s in zip(*columns, strict=True)]
    return pd.Series(keys, index=cells.index, dtype=object)
