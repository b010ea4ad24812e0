"""Tables of text as planning looks at them, before anything reads them in earnest."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SEPARATORS = {".csv": ",", ".tsv": "\t"}
"""What separates cells, by a file's ending, unless the data set says."""

Rows = Iterator[list[str]]


@contextmanager
def opened(table: Path, separator: str | None = None) -> Iterator[tuple[list[str], Rows] | None]:
    """Open a table of text: the names of its columns, and its rows that are not empty.

    None for what planning does not open (Parquet) and what is not there. What is no table at all is
    left to its reader, which says so better.

    Args:
        table: The file.
        separator: What separates its cells; None goes by the file's ending.
    """
    known = SEPARATORS.get(table.suffix.lower())
    if known is None or not table.is_file():
        yield None
        return
    with open(table, encoding="utf-8-sig", errors="replace", newline="") as file:
        rows = _rows(csv.reader(file, delimiter=separator or known))
        head = [word.strip() for word in next(rows, [])]
        yield (head, rows) if head else None


def _rows(lines: Iterator[list[str]]) -> Rows:
    with suppress(csv.Error):
        yield from (row for row in lines if row)
