"""Which tasks of data sets are asked for after training: that they are there.

Planning, `doctor` and the jobs that need the tasks ask here, each as soon as it knows them. Apart
from how planning knows them, so that no edit of that redoes a job.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from transfergrid.runtime.errors import UserError, listed, suggest

MULTICLASS = "multiclass"
"""The kind of task that chooses one class among all."""


class HasTasks(Protocol):
    """What knows a data set's tasks: the card of its cache, or `Tasks`."""

    @property
    def dataset(self) -> str:
        """Name of the data set in the study."""
        ...

    @property
    def task_kind(self) -> str:
        """Its kind of task."""
        ...

    @property
    def tasks(self) -> tuple[str, ...]:
        """Every output."""
        ...

    @property
    def score_tasks(self) -> tuple[str, ...]:
        """The tasks over which a mean over tasks is taken."""
        ...


@dataclass(frozen=True)
class Tasks:
    """The tasks of a data set, see `HasTasks`."""

    dataset: str
    task_kind: str
    tasks: tuple[str, ...]
    score_tasks: tuple[str, ...]


def common_tasks(own: HasTasks, other: HasTasks, made_from: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the tasks that a cell is scored by on another data set, in the cell's order.

    Args:
        own: The tasks of what the cell was trained on.
        other: Those of the other data set.
        made_from: ``tasks`` that were asked for, or None; ``tested_on``, its name.

    Raises:
        UserError: The kinds of task differ; there is no task in common, or not one that was asked
            for; or classes, of which one is chosen, are not the same.
    """
    name = made_from["tested_on"]
    if own.task_kind != other.task_kind:
        raise UserError(
            f"cells of '{own.dataset}' are {own.task_kind} and data set '{name}' is "
            f"{other.task_kind}; leave one of them out of external."
        )
    both = tuple(task for task in own.tasks if task in other.tasks)
    asked = made_from["tasks"]
    if other.task_kind == MULTICLASS:
        check_whole("external", asked)
        if set(own.tasks) != set(other.tasks):
            raise UserError(
                f"one class of several is chosen among all, so '{name}' must have the classes of "
                f"'{own.dataset}', {listed(own.tasks)}, and it has {listed(other.tasks)}; name "
                "both alike."
            )
        return both
    lost = [task for task in asked or () if task not in both]
    if lost:
        raise UserError(
            f"external names the task '{lost[0]}'{suggest(lost[0], both)}, which '{own.dataset}' "
            f"and '{name}' do not share; they share {listed(both) if both else 'none'}."
        )
    found = both if asked is None else tuple(task for task in both if task in asked)
    if not set(found) & set(own.score_tasks):
        raise UserError(
            f"'{name}' has none of the scored tasks of '{own.dataset}', "
            f"{listed(own.score_tasks)}; it has {listed(other.tasks)}: give labels of one finding "
            "one name, or leave the data set out of external."
        )
    return found


def check_whole(where: str, asked: Sequence[str] | None) -> None:
    """Refuse some of the classes of which one is chosen.

    Args:
        where: Names the block of ``external``, for the message.
        asked: Its ``tasks``.

    Raises:
        UserError: There are some.
    """
    if asked is not None:
        raise UserError(
            f"{where} names the tasks {listed(asked)}, but one class of several is chosen among "
            "all; leave its tasks out."
        )


def mapped_tasks(names: Sequence[str] | None, known: HasTasks) -> list[str]:
    """Return the tasks of a data set of which activation maps are made.

    Args:
        names: ``cams.tasks``; None takes those that are scored.
        known: The data set's tasks.

    Raises:
        UserError: The data set has none of that name.
    """
    wanted = list(known.score_tasks if names is None else names)
    unknown = [name for name in wanted if name not in known.tasks]
    if unknown:
        raise UserError(
            f"cams.tasks names '{unknown[0]}'{suggest(unknown[0], known.tasks)}, which data set "
            f"'{known.dataset}' does not have; it has {listed(known.tasks, 20)}."
        )
    return wanted
