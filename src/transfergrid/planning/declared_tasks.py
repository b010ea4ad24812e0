"""The tasks that a study itself tells of its data sets, and what it asks of them.

Of most kinds of data set the tables alone tell: then `transfergrid doctor` checks their tasks, and
the jobs that need them do again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from transfergrid.catalog.kinds import dataset_kind
from transfergrid.planning.cells import Cell
from transfergrid.planning.identifiers import identifier
from transfergrid.planning.study import Study
from transfergrid.planning.task_names import Tasks, mapped_tasks
from transfergrid.planning.tasks import possible_kinds
from transfergrid.runtime.errors import UserError


def declared_tasks(name: str, settings: Mapping[str, Any]) -> Tasks | None:
    """Return the tasks of a data set; None where its tables tell them, or its reader.

    Args:
        name: Its name in the study.
        settings: Its settings in the study.
    """
    kind = dataset_kind(settings["kind"])
    columns = settings.get("label_columns")
    kinds = [kind.name for kind in possible_kinds(settings)]
    if kind is None or not columns or kinds != ["multilabel"] or settings.get("label_separator"):
        return None
    tasks = tuple(map(identifier, columns))
    scored = settings.get("score_tasks")
    return Tasks(name, kinds[0], tasks, tasks if scored is None else tuple(map(identifier, scored)))


def check_cams(study: Study, targets: Iterable[Cell]) -> None:
    """Refuse maps of tasks that a data set does not have, as far as the study tells.

    Args:
        study: The study.
        targets: Its cells.

    Raises:
        UserError: The sentence names the task and those that there are.
    """
    asked = study.config["cams"]
    if asked is None:
        return
    mapped = (cell.point.dataset for cell in targets if cell.point.matches(asked["where"]))
    for name in dict.fromkeys(mapped):
        known = declared_tasks(name, study.config["datasets"][name])
        if known is not None:
            try:
                mapped_tasks(asked["tasks"], known)
            except UserError as error:
                raise UserError(f"{study.source}: {error}") from None
