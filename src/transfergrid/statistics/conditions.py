"""What the interval of a contrast takes as given, because a study has only one of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from transfergrid.runtime.errors import listed
from transfergrid.statistics.reader import Reader

RELEASED = "one released weight file"
UNKNOWN_PATIENTS = "patients unknown: every study counted as a patient"

Arm = Mapping[int, Mapping[str, Any]]
"""One cell without its seed: seed -> cell."""


def folded(there: int, k: int) -> str:
    """Say that the folds are one division; they share patients, so nothing is known of another.

    Args:
        there: Folds that are in the study.
        k: Folds of the data set.
    """
    part = "" if there == k else f", of which {there} {'is' if there == 1 else 'are'} in the study"
    return f"one division into {k} folds{part}"


def conditions(arms: Sequence[Arm], reader: Reader) -> tuple[str, ...]:
    """Say what the intervals of contrasts between these arms take as given.

    A source cell counts as fixed if several seeds of an arm start from the same run of it, directly
    or through other source cells: its own seed then never varies.

    Args:
        arms: All arms of the contrast.
        reader: Reads their cells, and those that they start from.
    """
    entries = reader.entries
    lines = [[list(_line(cell, entries)) for cell in arm.values()] for arm in arms]
    specs = [reader.spec(name) for arm in lines for line in arm for name in line]
    fixed, trials = _fixed(lines, entries), _trial_seeds(specs)
    found = []
    if any(spec["weights"]["id"] for spec in specs):
        found.append(RELEASED)
    if fixed:
        found.append(f"source cells trained with one seed ({listed(fixed)})")
    if trials:
        found.append(f"learning rates from trials of one seed ({listed(trials)})")
    if any(
        reader.card(cell["cell"])["patients"] == "unknown" for arm in arms for cell in arm.values()
    ):
        found.append(UNKNOWN_PATIENTS)
    runs = [reader.runs[cell["cell"]] for arm in arms for cell in arm.values()]
    counts = {
        (len(run.cells), reader.card(run.name).get("folds", len(run.cells)))
        for run in runs
        if run.crossed
    }
    found += [folded(there, k) for there, k in sorted(counts)]
    return tuple(found)


def _line(cell: Mapping[str, Any], entries: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield a cell's name and the names of those that it descends from.

    A snapshot may lack a source cell that is being redone; the line ends there.
    """
    name = cell["cell"]
    while name in entries:
        yield name
        name = entries[name].get("source_cell")


def _fixed(
    lines: Sequence[Sequence[Sequence[str]]], entries: Mapping[str, Mapping[str, Any]]
) -> list[int]:
    """Return the seeds of source cells that more than one seed of an arm descends from."""
    seeds = set()
    for arm in lines:
        times = Counter(name for line in arm for name in line[1:])
        seeds |= {entries[name]["seed"] for name, count in times.items() if count > 1}
    return sorted(seeds)


def _trial_seeds(specs: Sequence[Mapping[str, Any]]) -> list[int]:
    return sorted({spec["recipe"]["tune"]["seed"] for spec in specs if spec.get("tuning")})
