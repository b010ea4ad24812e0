"""layer_reset.csv: scores of trained networks with one layer at a time put back to its start."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from transfergrid.evaluation.ensemble import study_probabilities
from transfergrid.evaluation.scores import Scores, patient_of_study
from transfergrid.evaluation.weighing_files import Measured
from transfergrid.metrics.influence import Influence
from transfergrid.metrics.scoring import Cases, Scorer
from transfergrid.reporting.tables import gathering
from transfergrid.reporting.tables.weighed import FINISHED, depths_of, measured
from transfergrid.statistics.components import difference
from transfergrid.tasks.score.kind import score_half
from transfergrid.tasks.score.units import study_index

_WHOLE = ("truncation", "seed", "depth", "n", "n_patients")


def layer_reset(study: Mapping[str, Any], results: Path, workers: int) -> dict[str, pd.DataFrame]:
    """Return a row per cell and network, or one where a cell has no two ends of its training.

    Args:
        study: The stamp's content: resets, cells, evaluation, metrics and columns.
        results: Root of all outputs.
        workers: Is not used: there is little to read.

    Raises:
        UserError: A measurement is missing or damaged.
    """
    alpha = 1 - float(study["evaluation"]["confidence"])
    cards = gathering.cards(study["cells"], results)
    entries = {entry["cell"]: entry for entry in study["cells"]}
    rows: list[dict[str, Any]] = []
    for one, place, found in measured(study, "resets", results):
        about = {**place, "split": one["images"]}
        if found.status != FINISHED:
            rows.append({**about, "flags": found.status})
            continue
        tasks = gathering.score_tasks(cards[entries[one["cell"]]["dataset_id"]])
        scorer = Scorer.of(gathering.primary_metric(study, place["dataset"]))
        rows += [{**about, **row} for row in reset_rows(found, scorer, tasks, alpha)]
    return {"layer_reset": gathering.frame(study, "layer_reset", rows, _WHOLE)}


@dataclass(frozen=True)
class Variants:
    """Scores of several variants of one network on the same studies.

    Attributes:
        names: The layer that each has put back (none for the first), and to what.
        cases: (V, S, T) predictions.
        labels: (S, T) truth.
        patient_id: (S,) the studies' patients.
        tasks: T names.
    """

    names: tuple[tuple[str, str], ...]
    cases: NDArray[np.float64]
    labels: NDArray[Any]
    patient_id: NDArray[np.str_]
    tasks: tuple[str, ...]

    @classmethod
    def of(cls, names: Iterable[tuple[str, str]], scores: Scores) -> Variants:
        """Combine the views of each study."""
        index, _ = study_index(scores.study_id)
        return cls(
            tuple(names),
            study_probabilities(scores),
            score_half(scores.task_kind).truth(scores.labels, index),
            patient_of_study(scores.study_id, scores.patient_id),
            tuple(scores.task.tolist()),
        )

    def scored(self, number: int, score_tasks: tuple[str, ...] | None) -> Cases:
        """Return what a metric takes of one variant."""
        names = score_tasks or self.tasks
        return Cases(self.cases[number], self.labels, self.patient_id, self.tasks, names)


def reset_rows(
    found: Measured, scorer: Scorer, score_tasks: tuple[str, ...] | None, alpha: float
) -> list[dict[str, Any]]:
    """Return the rows of one cell: the untouched network, then each with a layer put back.

    Args:
        found: What was measured.
        scorer: The primary metric.
        score_tasks: Tasks that the mean is over; None for all.
        alpha: 1 minus the coverage of intervals, in (0, 1).
    """
    names = [(str(layer), str(to)) for layer, to in found.values["variants"]]
    lost = {(str(layer), str(to)) for layer, to in found.values["not_finite"]}
    depths = depths_of(layer for layer, _ in names)
    scored = {}
    if names[0] not in lost and scorer.estimator.operating_point is None:
        there = [name for name in names if name not in lost]
        scored = _scored(Variants.of(there, found.scores()), scorer, score_tasks, alpha)
    why = "no_threshold" if scorer.estimator.operating_point else "not_finite"
    return [
        {
            "layer": layer,
            "depth": depths.get(layer),
            "to": to,
            "metric": scorer.name,
            **scored.get((layer, to), {"flags": why}),
        }
        for layer, to in names
    ]


def _scored(
    variants: Variants, scorer: Scorer, score_tasks: tuple[str, ...] | None, alpha: float
) -> dict[tuple[str, str], dict[str, Any]]:
    """Return score, difference to the first variant, and intervals, by variant."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    whole = scorer.influence(variants.scored(0, score_tasks))
    for number, name in enumerate(variants.names):
        cases = variants.scored(number, score_tasks)
        _, interval = scorer.intervals(cases, None, alpha)
        row: dict[str, Any] = {
            "score": interval.estimate,
            "score_low": interval.low,
            "score_high": interval.high,
            "n": len(variants.patient_id),
            "n_patients": len(whole.patients),
            "flags": "undefined" if np.isnan(interval.estimate) else "",
        }
        if number and not row["flags"]:
            same = np.array_equal(variants.cases[number], variants.cases[0])
            row |= _difference(scorer.influence(cases), whole, alpha, same)
        found[name] = row
    return found


def _difference(own: Influence, whole: Influence, alpha: float, same: bool) -> dict[str, Any]:
    """Return the paired difference and its interval, which is t's over patients.

    Networks that give all cases the `same` scores differ by 0 whoever the patients are.
    """
    if same:
        return dict.fromkeys(("difference", "difference_low", "difference_high"), 0.0)
    apart = difference(
        [own.estimate], [whole.estimate], own.values[None], whole.values[None], whole.groups
    )
    row: dict[str, Any] = {"difference": apart.estimate}
    if not apart.variance_patient > 0 or np.isnan(apart.df):
        return row | {"flags": "no_variance"}
    arm = -float(special.stdtrit(apart.df, alpha / 2)) * apart.se
    return row | {
        "difference_low": apart.estimate - arm,
        "difference_high": apart.estimate + arm,
    }
