"""The tables to download, as links that work without scripts or a network."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import pandas as pd

from transfergrid.reporting.tables.files import csv_text

LARGEST = 2_000_000
"""Bytes of a table that the page holds; a larger one lies beside it, and would only slow it."""


def downloads(tables: Mapping[str, pd.DataFrame]) -> list[tuple[str, int, str]]:
    """Return (file name, rows, data URI) of each table; an empty URI where it is too large."""
    files = []
    for name, table in tables.items():
        if table.empty:
            continue  # such as the trials of a study that tunes nothing
        text = csv_text(table).encode("utf-8")
        uri = f"data:text/csv;charset=utf-8;base64,{base64.b64encode(text).decode('ascii')}"
        files.append((f"{name}.csv", len(table), uri if len(text) <= LARGEST else ""))
    return files
