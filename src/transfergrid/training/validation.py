"""What a network scores on the validation split."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from transfergrid.data.store import Card, Split
from transfergrid.evaluation.combine import (
    combine_views,
    probabilities,
    study_index,
    study_labels,
)
from transfergrid.evaluation.inference import BATCH_SIZE, predict
from transfergrid.metrics.auroc import auroc, macro_auroc
from transfergrid.training.losses import known, loss_sum


@dataclass(frozen=True)
class Validation:
    """One validation.

    Attributes:
        loss: Mean loss over the known entries of all images; NaN without any.
        auroc: Mean AUROC over the tasks that are scored, per study; NaN if one is undefined.
        auroc_tasks: AUROC of every task, NaN where it has a single class.
        accuracy: Share of studies whose most probable class is right; None for multilabel.
        finite: Whether every logit is a finite number.
    """

    loss: float
    auroc: float
    auroc_tasks: dict[str, float]
    accuracy: float | None
    finite: bool


def validate(
    model: nn.Module,
    normalise: Callable[[Tensor], Tensor],
    split: Split,
    card: Card,
    device: torch.device,
    check: Callable[[], None] | None = None,
) -> Validation:
    """Score a network on the validation split, as evaluation will score its checkpoints.

    `check` is called before every batch and may raise to end the validation.
    """
    logits = predict(model, normalise, split.images, BATCH_SIZE, device, check)
    if not np.isfinite(logits).all():
        return Validation(math.nan, math.nan, dict.fromkeys(card.tasks, math.nan), None, False)
    labels = torch.from_numpy(split.labels)
    count = int(known(card.task_kind, labels).sum())
    total = float(loss_sum(card.task_kind, torch.from_numpy(logits), labels))
    index, _ = study_index(split.study_id)
    scores = probabilities(combine_views(logits[None], index, card.aggregate)[0], card.task_kind)
    truth = study_labels(split.labels, index)
    scored = [card.tasks.index(task) for task in card.score_tasks]
    return Validation(
        loss=total / count if count else math.nan,
        auroc=macro_auroc(scores, truth, scored),
        auroc_tasks={
            t: float(auroc(scores[:, i], truth[:, i])[0]) for i, t in enumerate(card.tasks)
        },
        accuracy=_accuracy(scores, truth) if card.task_kind == "multiclass" else None,
        finite=True,
    )


def _accuracy(scores: np.ndarray, truth: np.ndarray) -> float:
    labelled = ~np.isnan(truth).any(axis=1)
    right = scores[labelled].argmax(axis=1) == truth[labelled].argmax(axis=1)
    return float(right.mean()) if len(right) else math.nan
