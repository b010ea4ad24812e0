"""The kinds of task that a network may learn."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TaskKind:
    """A kind of task, in two halves that are imported by whoever runs them.

    Attributes:
        name: Value of ``task_kind``, such as "multilabel".
        learn: Module of the half that training needs (torch).
        score: Module of the half that scoring needs (numpy).
        metric: Name of the metric that a data set has unless it says otherwise.
        told: What the methods say of a data set's tasks: ``{number}`` is how many there are,
            ``{tasks}`` the same with the word.
        per_task: Whether each task may choose checkpoints of its own (``top<k>_per_task``), which
            needs outputs that can be put together task by task.
    """

    name: str
    learn: str
    score: str
    metric: str
    told: str = "{tasks}"
    per_task: bool = True


TASK_KINDS: tuple[TaskKind, ...] = (
    TaskKind(
        "multilabel",
        "transfergrid.tasks.learn.multilabel",
        "transfergrid.tasks.score.multilabel",
        "auroc",
        "labels for {tasks}",
    ),
    TaskKind(
        "multiclass",
        "transfergrid.tasks.learn.multiclass",
        "transfergrid.tasks.score.multiclass",
        "auroc",
        "one of {number} classes",
    ),
    TaskKind(
        "segmentation",
        "transfergrid.tasks.learn.segmentation",
        "transfergrid.tasks.score.segmentation",
        "dice",
        "masks of {tasks}",
        per_task=False,
    ),
)

TASK_KIND = {kind.name: kind for kind in TASK_KINDS}
