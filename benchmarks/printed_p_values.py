"""What a published study's p-values can have been, from its own summaries: docs/statistics.md.

    .venv/bin/python benchmarks/printed_p_values.py

prints the tables of that page at once. The means and standard deviations of
resources/systematic_2021.csv were read off the study's figures, about .03 points apart from the
truth; its single trials were never released, nor how many there were of each task.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping

from common import row, table

from transfergrid.planning.paths import PROJECT
from transfergrid.statistics.multiplicity import holm
from transfergrid.statistics.summaries import Summary, recomputed

FACTS = PROJECT / "resources" / "systematic_2021.csv"
FINE, SELF = "iNat2021 figure", "self-supervised figure"
TRIALS = (5, 10)
Row = Mapping[str, str]


def facts(figure: str) -> list[Row]:
    """Return the rows of one figure."""
    with open(FACTS, newline="", encoding="utf-8") as file:
        return [line for line in csv.DictReader(file) if line["figure"] == figure]


def pairs(figure: str, reference: str) -> Iterator[tuple[Row, Row]]:
    """Yield each result of a figure with the reference's on the same task."""
    rows = facts(figure)
    base = {line["task"]: line for line in rows if line["init"] == reference}
    for line in rows:
        if line["init"] not in (reference, "Scratch"):
            yield line, base[line["task"]]


def p_value(a: Row, b: Row, n: int, ddof: int = 1, pooled: bool = True) -> float:
    """Return the two-sided p-value of two rows."""
    one, other = (Summary(float(r["mean"]), float(r["sd"]), ddof) for r in (a, b))
    return recomputed(one, other, n, pooled).two_sided


def printed() -> None:
    """Print what the seven printed p-values can have been."""
    tests = [f"n = {n}, {sides}" for n in TRIALS for sides in ("two-sided", "one-sided")]
    table(["task", "test", "printed", *tests], texts=2)
    for line, base in pairs(FINE, "ImageNet"):
        for test in ("Student", "Welch"):
            told = []
            for n in TRIALS:
                ends = [p_value(line, base, n, ddof, test == "Student") for ddof in (1, 0)]
                told += [_between([p / sides for p in ends]) for sides in (1, 2)]
            row(line["task"], test, line["p_printed"], *told)


def _between(ends: list[float]) -> str:
    low, high = (f"{end:.2g}" for end in sorted(ends))
    return low if low == high else f"{low} to {high}"


def marks() -> None:
    """Print how many of the figure's comparisons are significant, and how many are so marked."""
    found = list(pairs(SELF, "supervised ImageNet"))
    marked = [line["mark"] != "ns" for line, _ in found]
    table(["trials", "comparisons", "not marked ns", "p < .05", "p < .05 by Holm's method"])
    for n in TRIALS:
        p = [p_value(line, base, n) for line, base in found]
        counts = sum(one < 0.05 for one in p), int((holm(p) < 0.05).sum())
        row(n, len(found), sum(marked), *counts)


def main() -> None:
    """Print both tables."""
    printed()
    print()
    marks()


if __name__ == "__main__":
    main()
