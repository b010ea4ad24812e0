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
from transfergrid.metrics.influence import Influence
from transfergrid.metrics.scoring import WHOLE, Cases, Parts, Scorer
from transfergrid.planning.paths import cell_directory, ensemble_directory
from transfergrid.planning.records import read_kept, read_train
from transfergrid.runtime.errors import listed
from transfergrid.statistics.curves import Curve, curve_of, over_folds
from transfergrid.statistics.pooled import Pooled, pool
from transfergrid.statistics.replicates import patient_replicates
from transfergrid.statistics.runs import Entry, Run, incomplete, runs_of
from transfergrid.statistics.scale import Scale


class Reader:
    """Reads ensembles, cards, specs and histories of a study's runs.

    What lies in a cell's folder is named, with its SHA-256, in the cell's train.json, which every
    stage of a study stands behind; a file that is another is refused.

    Attributes:
        study: The study as its stamp holds it.
        results: The folder of all results.
        primary: The selection that every answer is given under.
        runs: The runs that have all of their folds, by name.
        entries: By run, what the study says of it: its place in the grid and the like.
        targets: The entries of the grid, in its order.
    """

    def __init__(self, study: Mapping[str, Any], results: Path) -> None:
        """Read nothing yet."""
        self.study = study
        self.results = results
        self.primary: str = study["evaluation"]["primary"]
        # The only place that reads the study's cells: what stands here is what is compared.
        every = runs_of(study["cells"])
        self.runs: Mapping[str, Run] = {name: run for name, run in every.items() if not run.missing}
        self.entries: Mapping[str, Entry] = {name: run.entry for name, run in self.runs.items()}
        self.targets = [entry for entry in self.entries.values() if entry["role"] == "target"]
        self._incomplete = incomplete(
            run for run in every.values() if run.entry["role"] == "target"
        )
        self._diverged: dict[str, tuple[str, ...]] = {}
        self._pooled = cache(self._pool)
        self.card = cache(self._card)
        self.spec = cache(self._spec)
        self.curve = cache(self._curve)
        self._scorer = cache(self._load)
        self._replicates = cache(self._replicates_of_dataset)

    def metric(self, run: str, name: str | None = None) -> Mapping[str, Any]:
        """Return the declaration of a metric, by default the primary one of a run's data set."""
        return self.metric_of(self.entries[run]["dataset"], name)

    def metric_of(self, dataset: str, name: str | None = None) -> Mapping[str, Any]:
        """Return the declaration of a metric, by default the primary one of a data set."""
        name = name or self.study["primary_metric"][dataset]
        declaration: Mapping[str, Any] = self.study["metrics"][name]
        return declaration

    def scale(self, run: str, metric: str | None = None) -> Scale:
        """Return how differences of a metric are judged, by default of the primary one."""
        return Scale.of(self.metric(run, metric))

    def ensembles(self, run: str, selection: str | None = None) -> dict[str, Ensemble]:
        """Read the test ensembles of a run, by fold, under a selection (by default the primary)."""
        return {fold: self._ensemble(cell, selection) for fold, cell in self._cells(run).items()}

    def score_tasks(self, run: str, ensemble: Ensemble) -> list[int]:
        """Return the columns of the mean over tasks."""
        return [ensemble.tasks.index(task) for task in self.card(run)["score_tasks"]]

    def influence(
        self, run: str, selection: str | None = None, metric: str | None = None
    ) -> tuple[Influence, int]:
        """Return a run's value with its patients' contributions, and the number of studies.

        Args:
            run: Its name.
            selection: A rule that chose checkpoints; None for the primary one.
            metric: A metric of the study's; None for the primary one of the data set.
        """
        found = self.pooled(run, selection, metric)
        return found.influence, found.n_studies

    def pooled(self, run: str, selection: str | None = None, metric: str | None = None) -> Pooled:
        """Return a run over its folds; see `influence`. All NaN if a fold has diverged."""
        return self._pooled(run, selection or self.primary, self.metric(run, metric)["name"])

    def pooled_on(
        self, run: str, tables: Mapping[str, Ensemble], tasks: tuple[str, ...], metric: str
    ) -> Pooled:
        """Return a run over its folds on given films, under the primary selection.

        Args:
            run: Its name.
            tables: By fold its ensemble on these films, which may be another hospital's.
            tasks: The tasks that a mean is over.
            metric: The metric's name.

        Returns:
            All NaN if a fold has diverged.
        """
        scorer, parts, lost = self._scorer(metric), {}, False
        for fold, cell in self._cells(run).items():
            one = tables[fold]
            cases = Cases(one.probabilities, one.labels, one.patient_id, one.tasks, tasks)
            parts[fold] = scorer.parts(cases, self._points(scorer, run, cell, self.primary))
            lost = lost or cases.diverged
        found = pool(parts)
        return found.without_result() if lost else found

    def by_task(self, run: str, metric: str | None = None) -> dict[str, Influence]:
        """Return a run's value in each scored task; none for a metric of whole cases."""
        read = self._folds(run, self.primary, self.metric(run, metric)["name"])
        folds = {fold: parts for fold, (_, parts) in read.items()}
        return {
            task: pool({fold: parts.only(task) for fold, parts in folds.items()}).influence
            for task in next(iter(folds.values())).tasks
            if task != WHOLE
        }

    def tested_over_trained(self, run: str) -> float:
        """Return patients tested over patients trained on, the mean over a run's folds.

        Only those training patients count that the recipe left: where it took a share of the
        images, that share of them.
        """
        ratios = []
        for cell in self._cells(run).values():
            splits = self._kept(cell, "card.json")["splits"]
            trained = read_train(cell_directory(cell, self.results)) or {}
            whole = splits["train"]["images"]
            share = trained.get("train_images", whole) / whole
            ratios.append(splits["test"]["patients"] / splits["train"]["patients"] / share)
        return float(np.mean(ratios))

    def device(self, run: str) -> str:
        """Return what a run was trained on; devices of its folds that differ, one after another."""
        trained = (
            read_train(cell_directory(cell, self.results)) or {}
            for cell in self._cells(run).values()
        )
        return ", ".join(dict.fromkeys(str(record.get("device", "")) for record in trained))

    def replicates(self, run: str, metric: str | None = None) -> NDArray[np.float64]:
        """Return (B,) replicates of a run's value; all runs share the same draws."""
        return self._replicates(self.entries[run]["dataset"], metric)[run]

    def lacking(self) -> list[str]:
        """Return a sentence for each run with folds that has been read and has no result."""
        diverged = [
            f"{run} has no result: fold{'s' if len(folds) > 1 else ''} {listed(folds)} diverged."
            for run, folds in self._diverged.items()
            if self.runs[run].crossed
        ]
        return self._incomplete + diverged

    def _cells(self, run: str) -> Mapping[str, str]:
        return self.runs[run].cells

    def _ensemble(self, cell: str, selection: str | None, split: str = "test") -> Ensemble:
        name = selection or self.primary
        folder = ensemble_directory(self.study["name"], cell, name, self.results)
        return read_ensemble(folder / f"{split}.parquet")

    def _load(self, metric: str) -> Scorer:
        return Scorer.of(self.study["metrics"][metric])

    def _cases(self, run: str, cell: str, selection: str, split: str = "test") -> Cases:
        one = self._ensemble(cell, selection, split)
        tasks = tuple(self.card(run)["score_tasks"])
        return Cases(one.probabilities, one.labels, one.patient_id, one.tasks, tasks)

    def _pool(self, run: str, selection: str, metric: str) -> Pooled:
        folds = self._folds(run, selection, metric)
        found = pool({fold: parts for fold, (_, parts) in folds.items()})
        diverged = [fold for fold, (cases, _) in folds.items() if cases.diverged]
        if not diverged:
            return found
        self._diverged[run] = tuple(diverged)
        return found.without_result()

    def _folds(self, run: str, selection: str, metric: str) -> dict[str, tuple[Cases, Parts]]:
        """Return by fold its test cases, and what their value is the mean of."""
        scorer, found = self._scorer(metric), {}
        for fold, cell in self._cells(run).items():
            cases = self._cases(run, cell, selection)
            points = self._points(scorer, run, cell, selection)
            found[fold] = cases, scorer.parts(cases, points)
        return found

    def _points(
        self, scorer: Scorer, run: str, cell: str, selection: str
    ) -> dict[str, float] | None:
        if scorer.estimator.operating_point is None:
            return None
        return scorer.points(self._cases(run, cell, selection, "valid"))

    def _replicates_of_dataset(
        self, dataset: str, metric: str | None
    ) -> dict[str, NDArray[np.float64]]:
        settings = self.study["evaluation"]["bootstrap"]
        names = [entry["cell"] for entry in self.targets if entry["dataset"] == dataset]
        found = [self.influence(name, metric=metric)[0] for name in names]
        drawn = patient_replicates(found, settings["replicates"], settings["seed"])
        return dict(zip(names, drawn, strict=True))

    def _card(self, run: str) -> Mapping[str, Any]:
        """Return the data card that a run was trained under; folds differ in their counts alone."""
        card: Mapping[str, Any] = self._kept(self._first(run), "card.json")
        return card

    def _spec(self, run: str) -> Mapping[str, Any]:
        """Return a run's specification, that of its first fold."""
        spec: Mapping[str, Any] = self._kept(self._first(run), "spec.json")
        return spec

    def _curve(self, run: str) -> Curve:
        """Return a run's learning curve on the validation split."""
        curves = []
        for cell in self._cells(run).values():
            folder = cell_directory(cell, self.results)
            lines = read_kept(folder, "history.jsonl").decode("utf-8").splitlines()
            curves.append(curve_of([json.loads(line) for line in lines], read_train(folder)))
        return over_folds(curves)

    def _first(self, run: str) -> str:
        return next(iter(self._cells(run).values()))

    def _kept(self, cell: str, name: str) -> Mapping[str, Any]:
        value: Mapping[str, Any] = json.loads(read_kept(cell_directory(cell, self.results), name))
        return value
