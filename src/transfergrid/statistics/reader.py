"""What the statistics read of a study's cells, each file once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transfergrid.evaluation.ensemble import Ensemble, read_ensemble
from transfergrid.metrics.influence import Influence, macro_influence
from transfergrid.planning.paths import cell_directory, ensemble_directory
from transfergrid.planning.records import read_kept
from transfergrid.statistics.replicates import patient_replicates

Entry = Mapping[str, Any]
"""A run as the study's stamp holds it, with its name under ``cell``."""


class Reader:
    """Reads ensembles, cards and specs of a study's cells.

    Attributes:
        study: The study as its stamp holds it.
        results: The folder of all results.
        primary: The selection that every answer is given under.
        entries: By run, what the study says of it: its place in the grid and the like.
        targets: The entries of the grid, in its order.
    """

    def __init__(self, study: Mapping[str, Any], results: Path) -> None:
        """Read nothing yet."""
        self.study = study
        self.results = results
        self.primary: str = study["evaluation"]["primary"]
        self.influence = cache(self._influence)
        self.card = cache(self._card)
        self.spec = cache(self._spec)
        self._replicates = cache(self._replicates_of_dataset)
        # The only place that reads the study's cells: what stands here is what is compared.
        self.entries: Mapping[str, Entry] = {cell["cell"]: cell for cell in study["cells"]}
        self.targets = [entry for entry in self.entries.values() if entry["role"] == "target"]

    def ensemble(self, cell: str, selection: str | None = None) -> Ensemble:
        """Read the test ensemble of a cell under a selection, by default the primary one."""
        name = selection or self.primary
        folder = ensemble_directory(self.study["name"], cell, name, self.results)
        return read_ensemble(folder / "test.parquet")

    def score_tasks(self, cell: str, ensemble: Ensemble) -> list[int]:
        """Return the columns of the macro AUROC."""
        return [ensemble.tasks.index(task) for task in self.card(cell)["score_tasks"]]

    def _influence(self, cell: str, selection: str | None = None) -> tuple[Influence, int]:
        """Return the macro AUROC with its patients' contributions, and the number of studies."""
        ensemble = self.ensemble(cell, selection)
        tasks = self.score_tasks(cell, ensemble)
        scored = int((~np.isnan(ensemble.labels[:, tasks])).any(axis=1).sum())
        influence = macro_influence(
            ensemble.probabilities, ensemble.labels, ensemble.patient_id, tasks
        )
        return influence, scored

    def replicates(self, cell: str) -> NDArray[np.float64]:
        """Return (B,) replicates of a cell's macro AUROC; draws are those of every other cell."""
        return self._replicates(self.entries[cell]["dataset"])[cell]

    def _replicates_of_dataset(self, dataset: str) -> dict[str, NDArray[np.float64]]:
        settings = self.study["evaluation"]["bootstrap"]
        cells = [entry["cell"] for entry in self.targets if entry["dataset"] == dataset]
        runs = [self.influence(cell)[0] for cell in cells]
        drawn = patient_replicates(runs, settings["replicates"], settings["seed"])
        return dict(zip(cells, drawn, strict=True))

    def _card(self, cell: str) -> Mapping[str, Any]:
        """Return the data card that the cell was trained under."""
        card: Mapping[str, Any] = self._kept(cell, "card.json")
        return card

    def _spec(self, cell: str) -> Mapping[str, Any]:
        """Return the cell's specification."""
        spec: Mapping[str, Any] = self._kept(cell, "spec.json")
        return spec

    def _kept(self, cell: str, name: str) -> Mapping[str, Any]:
        value: Mapping[str, Any] = json.loads(read_kept(cell_directory(cell, self.results), name))
        return value
