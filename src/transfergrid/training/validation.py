"""What a network scores on the validation split."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from transfergrid.data.store import Card, Split
from transfergrid.evaluation.inference import batch_of, predict
from transfergrid.metrics.estimate import Estimator
from transfergrid.tasks.learn.kind import LearnHalf
from transfergrid.tasks.score.kind import score_half
from transfergrid.tasks.score.units import study_index
from transfergrid.training.view import View


@dataclass(frozen=True)
class Validation:
    """One validation.

    Attributes:
        loss: Mean loss over the known entries of all images; NaN without any.
        score: The primary metric per study, over the scored tasks; NaN if undefined for one of
            them.
        score_tasks: The same for every task, NaN if undefined; empty for a metric of whole cases.
        finite: Whether every output is a finite number.
    """

    loss: float
    score: float
    score_tasks: dict[str, float]
    finite: bool


def validate(
    view: View,
    split: Split,
    card: Card,
    task: LearnHalf,
    metric: Estimator,
    device: torch.device,
    check: Callable[[], None] | None = None,
) -> Validation:
    """Score a network on the validation split, as evaluation will score its checkpoints.

    `view` is what the network is shown of the split; `check` is called before every batch and may
    raise to end the validation.
    """
    keep = task.keep(split)
    size = batch_of(task)
    stored = predict(view.network, view.normalise, view.images, size, device, check, keep)
    per_case = metric.per == "case"
    if not np.isfinite(stored).all():
        nothing = {} if per_case else dict.fromkeys(card.tasks, math.nan)
        return Validation(math.nan, math.nan, nothing, False)
    total, known = task.stored_loss(torch.from_numpy(stored), task.target(split))
    count = int(known)
    kind, (index, _) = score_half(card.task_kind), study_index(split.study_id)
    cases = kind.cases(stored[None], index, card.aggregate)
    scored = [card.tasks.index(name) for name in card.ranked_tasks]
    overall, tasks = metric.overall(cases, kind.truth(split.labels, index), scored)
    by_task = dict(zip(card.tasks, map(float, tasks[0]), strict=True))
    return Validation(
        loss=float(total) / count if count else math.nan,
        score=float(overall[0]),
        score_tasks={} if per_case else by_task,
        finite=True,
    )
