"""Runs: what is left of cells when their folds are taken away.

A data set that is cross-validated trains every point of the grid once per fold. Those cells are one
run, and answers are given for runs. Without folds a run is one cell and has that cell's name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from transfergrid.planning.grid import ALL
from transfergrid.runtime.errors import listed

Entry = Mapping[str, Any]
"""A cell or a run as the study's stamp holds it, with its name under ``cell``."""


@dataclass(frozen=True)
class Run:
    """The cells of one point of the grid, its fold apart.

    Attributes:
        entry: What the study says of it: its first cell's entry, under the run's name and with
            the fold `ALL`; a source cell of the same folds is its run.
        cells: By fold the name of the cell, in the order of the folds; one, under `ALL`, where
            there are none.
        missing: Folds that the grid asks for and that are not among the cells.
    """

    entry: Entry
    cells: Mapping[str, str]
    missing: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its name, which is the cell's where there are no folds."""
        return str(self.entry["cell"])

    @property
    def crossed(self) -> bool:
        """Whether it has folds."""
        return ALL not in self.cells


def run_name(entry: Entry) -> str:
    """Return the name of the run that a cell belongs to."""
    if entry.get("fold", ALL) == ALL:
        return str(entry["cell"])
    return (
        f"{entry['dataset']}-{entry['architecture']}-{entry['pretraining']}-"
        f"drop{entry['truncation']}-{entry['protocol']}-seed{entry['seed']}-pooled"
    )


def runs_of(entries: Iterable[Entry]) -> dict[str, Run]:
    """Return the runs of a study's cells by name, in the order of their first cells.

    Args:
        entries: Cells as the study's stamp holds them: with folds, ``fold`` is the cell's and
            ``folds`` names those that the grid asks for. They may lack some, as in a snapshot.
    """
    cells = list(entries)
    owner = {str(cell["cell"]): run_name(cell) for cell in cells}
    members: dict[str, list[Entry]] = {}
    for cell in cells:
        members.setdefault(owner[str(cell["cell"])], []).append(cell)
    return {name: _run(name, group, owner) for name, group in members.items()}


def _run(name: str, cells: list[Entry], owner: Mapping[str, str]) -> Run:
    first = cells[0]
    if first.get("fold", ALL) == ALL:
        return Run(first, {ALL: name})
    there = {str(cell["fold"]): str(cell["cell"]) for cell in cells}
    asked = [str(fold) for fold in first["folds"]]
    source = first.get("source_cell")
    entry = {**first, "cell": name, "fold": ALL, "source_cell": owner.get(str(source), source)}
    found = {fold: there[fold] for fold in asked if fold in there}
    return Run(entry, found, tuple(fold for fold in asked if fold not in there))


def incomplete(runs: Iterable[Run]) -> list[str]:
    """Return a sentence for each run that lacks a fold, and so has no result."""
    return [
        f"{run.name} has no result yet: it lacks fold{'s' if len(run.missing) > 1 else ''} "
        f"{listed(run.missing)} of {len(run.missing) + len(run.cells)}."
        for run in runs
        if run.missing
    ]
