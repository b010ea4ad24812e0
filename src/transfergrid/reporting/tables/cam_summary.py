"""What the marks of class activation maps say, in a sentence."""

from __future__ import annotations

import pandas as pd

MARKS = {"pointing": "pointing accuracy", "iou": "mean IoU"}


def pointing_summary(table: pd.DataFrame) -> str:
    """Say how the marks of cams.csv range over cells and tasks; empty without marks."""
    marked = table[table["n"] > 0]
    if marked.empty:
        return ""
    parts = [
        f"{name} {marked[key].min():.2f} to {marked[key].max():.2f} (random maps of equal size "
        f"{marked[f'{key}_random'].mean():.2f})"
        for key, name in MARKS.items()
    ]
    return f"Over cells and tasks {' and '.join(parts)}."
