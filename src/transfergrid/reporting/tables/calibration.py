"""calibration.csv: reliability of each pretraining's probabilities, from the stored ensembles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from transfergrid.evaluation.calibration import calibration
from transfergrid.evaluation.ensemble import read_ensemble
from transfergrid.planning.grid import ALL
from transfergrid.planning.paths import ensemble_directory
from transfergrid.reporting.records import read_cards
from transfergrid.reporting.tables import gathering
from transfergrid.reporting.tables.networks import Network, network_keys
from transfergrid.reporting.tables.stage_files import read_made_table
from transfergrid.statistics.runs import runs_of

Cases = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]
"""Probability, label and the number of the patient, of cases with both."""


@dataclass(frozen=True)
class Comparison:
    """Pretrainings whose probabilities are compared on the networks that they share.

    Attributes:
        pretrainings: Their names, the baseline first.
        cells: (network, seed) of each cell that all of them have.
    """

    pretrainings: tuple[str, ...]
    cells: frozenset[tuple[Network, int]]


def comparisons(cells: pd.DataFrame) -> list[Comparison]:
    """Return what can be compared on one data set: random weights, or the first, with the others.

    All pretrainings stand together on the networks and seeds that all of them have. Where there
    are none, each one stands beside the first on what the two share; one that shares nothing
    stands alone.

    Args:
        cells: Finished cells of one data set.
    """
    keys = network_keys(cells)
    having = {
        str(name): frozenset(keys[cells["pretraining"] == name])
        for name in sorted(cells["pretraining"].unique(), key=lambda name: name != "random")
    }
    first, *others = having
    if shared := frozenset.intersection(*having.values()):
        return [Comparison(tuple(having), shared)]
    together: dict[frozenset[tuple[Network, int]], list[str]] = {}
    alone = []
    for name in others:
        if common := having[first] & having[name]:
            together.setdefault(common, [first]).append(name)
        else:
            alone.append(name)
    alone = alone if together else [first, *alone]
    return [
        *(Comparison(tuple(names), common) for common, names in together.items()),
        *(Comparison((name,), having[name]) for name in alone),
    ]


def analyse(study: Mapping[str, Any], results: Path, workers: int) -> dict[str, pd.DataFrame]:
    """Return calibration.csv by its name; see `calibration_table`."""
    cells = read_made_table(results / study["name"], "cells")
    return {"calibration": calibration_table(study, cells, results)}


def calibration_table(study: Mapping[str, Any], cells: pd.DataFrame, results: Path) -> pd.DataFrame:
    """Return calibration.csv: the reliability of each pretraining, one row per bin.

    Pretrainings are compared on the networks that they share. Cases are pairs of a test study and
    a scored task, of every such cell, pooled, and so are those of all folds: a probability is set
    beside how often it comes true, and none is ranked against another model's. A patient counts
    once in an interval, however many cells, studies and tasks it stands in.

    Args:
        study: The stamp's content.
        cells: Rows of cells.csv.
        results: Root of all outputs.

    Returns:
        The columns of its declaration, for the cells that have a score.
    """
    primary = study["evaluation"]["primary"]
    cards = read_cards(study, results)
    done = cells[cells["score"].notna() & (cells["selection"] == primary) & (cells["fold"] == ALL)]
    runs = runs_of(study["cells"])
    files = {
        name: [
            ensemble_directory(study["name"], cell, primary, results) / "test.parquet"
            for cell in runs[name].cells.values()
        ]
        for name in done["cell"]
    }
    there = [all(file.is_file() for file in files[name]) for name in done["cell"]]
    done = done[pd.Series(there, index=done.index, dtype=bool)]
    confidence = float(study["evaluation"]["confidence"])
    rows: list[dict[str, Any]] = []
    for dataset, here in done.groupby("dataset", sort=False):
        card = cards.get(str(dataset), {})
        if card.get("masks"):
            continue  # of a mask, no probability is stored
        tasks = card["score_tasks"] if card else None
        keys = network_keys(here)
        for compared in comparisons(here):
            for name in compared.pretrainings:
                own = here[here["pretraining"] == name]
                part = own[keys[own.index].isin(compared.cells)]
                patients = _Patients()
                pooled = [
                    _cases(file, tasks, patients) for cell in part["cell"] for file in files[cell]
                ]
                same = {"dataset": dataset, "comparison": ", ".join(compared.pretrainings)}
                same |= {"pretraining": name, "selection": primary, "n_cells": len(part)}
                same |= {"n_networks": len({network for network, _ in compared.cells})}
                same |= {"n_cells_left_out": len(own) - len(part)}
                same |= {"n_studies": int(part["n_studies"].max())}
                rows += [{**same, **row} for row in _bins(pooled, patients, confidence)]
    return gathering.frame(study, "calibration", rows, ())


class _Patients:
    """Numbers for patients: thousands of cells have the same ones, whose names are long."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def numbers(self, names: NDArray[np.str_]) -> NDArray[np.int64]:
        """Return a number for each name, from 0 in the order in which they first came."""
        known = self._numbers
        found = [known.setdefault(name, len(known)) for name in names.tolist()]
        return np.array(found, dtype=np.int64)

    def places(self) -> NDArray[np.int64]:
        """Return by number the place of its name among all names, sorted.

        Sums over patients are taken in the order of their names.
        """
        found: NDArray[np.int64] = np.argsort(np.argsort(np.array([*self._numbers], dtype=np.str_)))
        return found


def _bins(pooled: Sequence[Cases], patients: _Patients, confidence: float) -> list[dict[str, Any]]:
    p, y, number = (np.concatenate(values) for values in zip(*pooled, strict=True))
    patient = patients.places()[number]
    found = calibration(p, y, patient, confidence=confidence)
    common: dict[str, Any] = {"n_patients": len(np.unique(patient)), "n_cases": len(p)}
    common |= {"ece": found.ece, "brier": found.brier}
    return [
        {
            **common,
            "bin": number,
            "n": b.observed.n,
            "predicted": b.predicted,
            "observed": b.observed.estimate,
            "low": b.observed.low,
            "high": b.observed.high,
        }
        for number, b in enumerate(found.bins, start=1)
    ]


def _cases(file: Path, tasks: Sequence[str] | None, patients: _Patients) -> Cases:
    ensemble = read_ensemble(file)
    columns = [i for i, task in enumerate(ensemble.tasks) if tasks is None or task in tasks]
    p = ensemble.probabilities[:, columns].ravel()
    y = ensemble.labels[:, columns].ravel().astype(np.float64)
    known = ~np.isnan(y) & ~np.isnan(p)
    numbers = patients.numbers(ensemble.patient_id)
    return p[known], y[known], np.repeat(numbers, len(columns))[known]
