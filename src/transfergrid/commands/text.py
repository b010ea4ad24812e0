"""Amounts and columns as plain text, for a terminal or a pipe."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def hours(low: float, high: float) -> str:
    """Write a span of time, given in hours, in the unit that suits its upper end."""
    for unit, length in (("hours", 1.0), ("minutes", 1 / 60)):
        if high >= 1.5 * length or unit == "minutes":
            ends = [_rounded(value / length) for value in (low, high)]
            return (
                f"about {ends[1]} {unit}" if ends[0] == ends[1] else f"{' to '.join(ends)} {unit}"
            )
    raise AssertionError


def _rounded(value: float) -> str:
    return f"{value:.1f}" if 0 < value < 1 else f"{float(f'{value:.2g}'):g}"


def cells(count: int) -> str:
    """Write a number of cells."""
    return "1 cell" if count == 1 else f"{count} cells"


def aligned(rows: Iterable[Sequence[str]], indent: str = "  ") -> list[str]:
    """Return rows as lines whose columns start at the same place; the last is never padded."""
    rows = list(rows)
    widths = (
        [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
        if rows
        else []
    )
    return [
        indent + "  ".join([*(t.ljust(w) for t, w in zip(row, widths, strict=False)), row[-1]])
        for row in rows
    ]
