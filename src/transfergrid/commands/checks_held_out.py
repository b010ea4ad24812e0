"""Whether patients who are held out to validate on can choose a checkpoint or a learning rate."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from transfergrid.commands.remarks import Remark
from transfergrid.commands.tables_read import TablesRead
from transfergrid.planning.cells import Cell
from transfergrid.planning.inputs import Dataset
from transfergrid.planning.naming import fold_of
from transfergrid.planning.planned import PlannedStudy
from transfergrid.planning.tasks import holds_masks
from transfergrid.runtime.hashing import canonical_json

if TYPE_CHECKING:
    import numpy as np  # so that a study which holds nobody out needs none
    from numpy.typing import NDArray


@dataclass(frozen=True)
class _Train:
    """The training images of a data set, or of one of its folds.

    Attributes:
        labels: (N, T) float32.
        study_id: (N,) str.
        patient_id: (N,) str.
        task_kind: Their kind of task.
        scored: Columns of the tasks by which a validation ranks.
        aggregate: How the views of a study are combined.
    """

    labels: NDArray[np.float32]
    study_id: NDArray[np.str_]
    patient_id: NDArray[np.str_]
    task_kind: str
    scored: tuple[int, ...]
    aggregate: str


def check_held_out(planned: PlannedStudy, tables: TablesRead) -> Iterator[Remark]:
    """Look for the classes that a validation on held-out patients needs.

    Without them no checkpoint has a score, which selections and trials say when all are trained.
    """
    for cell, spec in _holding_out(planned):
        dataset = planned.datasets[cell.point.dataset]
        train = _train(dataset, fold_of(spec), tables) if tables.sound(dataset) else None
        if train is None:
            continue
        share, metric = float(spec["recipe"]["holdout"]), spec["metric"]
        count, value = _validated(train, share, metric)
        if not math.isnan(value):
            continue
        fold = "" if fold_of(spec) is None else f", fold {fold_of(spec)}"
        key = "tune.holdout" if cell.trial else "holdout"
        last = not cell.trial and planned.selections == ["last"]  # which asks for no score
        yield Remark(
            "warning" if last else "error",
            "held out",
            f"{planned.study.source}: protocol '{cell.point.protocol}' validates on the {count} "
            f"images of {share:g} of the training patients of data set '{dataset.name}'{fold}, "
            f"where {metric['name']} has no value: a scored task has a single class there.",
            f"a larger {key}, or score_tasks of which there are both",
        )


def _holding_out(planned: PlannedStudy) -> Iterator[tuple[Cell, Mapping[str, Any]]]:
    """Yield one cell, and its specification, of each validation on held-out patients."""
    seen = set()
    for cell in planned.cells:
        if holds_masks(planned.study.config["datasets"][cell.point.dataset]):
            continue
        spec = json.loads(cell.spec)
        share = spec["recipe"].get("holdout")
        which = canonical_json([cell.dataset_id, fold_of(spec), share, spec["metric"]])
        if share and which not in seen:
            seen.add(which)
            yield cell, spec


def _train(dataset: Dataset, fold: int | None, tables: TablesRead) -> _Train | None:
    """Return the training images; None where they are known once they are prepared."""
    import numpy as np

    from transfergrid.data.store import open_split, read_card

    if tables.prepared(dataset):
        cache = tables.cache(dataset)
        card, split = read_card(cache, fold), open_split(cache, "train", fold)
        scored = tuple(card.tasks.index(name) for name in card.ranked_tasks)
        ids = split.study_id, split.patient_id
        return _Train(split.labels, *ids, card.task_kind, scored, card.aggregate)
    manifest = tables.manifest(dataset)
    # Folds are cut, and near duplicates joined, when the data set is prepared.
    if manifest is None or fold is not None or dataset.declaration.get("group"):
        return None
    rows = manifest.table[manifest.table["split"] == "train"]
    return _Train(
        rows[list(manifest.tasks)].to_numpy(dtype=np.float32),
        rows["study_id"].to_numpy(dtype=str),
        rows["patient_id"].to_numpy(dtype=str),
        manifest.task_kind,
        tuple(manifest.tasks.index(name) for name in manifest.score_tasks),
        str(dataset.declaration["aggregate"]),
    )


def _validated(train: _Train, share: float, metric: Mapping[str, Any]) -> tuple[int, float]:
    """Return the images of a validation, and what a network that guesses scores on them."""
    import numpy as np

    from transfergrid.metrics.estimate import Estimator
    from transfergrid.tasks.score.kind import score_half
    from transfergrid.tasks.score.units import study_index
    from transfergrid.training.subsets import held_out

    held = held_out(train.patient_id, share)
    labels = train.labels[held]
    # As in a training: what is softened is no truth to score by.
    labels = np.where((labels > 0) & (labels < 1), np.float32(np.nan), labels)
    index, _ = study_index(train.study_id[held])
    guesses = np.random.default_rng(0).normal(size=(1, *labels.shape))
    kind = score_half(train.task_kind)
    cases = kind.cases(guesses, index, train.aggregate)
    overall, _ = Estimator.of(metric).overall(cases, kind.truth(labels, index), train.scored)
    return len(labels), float(overall[0])
