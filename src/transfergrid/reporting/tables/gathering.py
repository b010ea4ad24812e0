"""What the analyses that gather a study share: its cells, its metrics, and processes to read them.

numpy only, so that worker processes start fast.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from transfergrid.planning.grid import ALL
from transfergrid.planning.many import MANY
from transfergrid.reporting.records import read_card
from transfergrid.runtime.imports import for_workers

if TYPE_CHECKING:
    import pandas as pd

Work = TypeVar("Work")
Found = TypeVar("Found")


def entries(study: Mapping[str, Any], role: str) -> list[Mapping[str, Any]]:
    """Return a study's cells of one role, "target" or "source"."""
    return [entry for entry in study["cells"] if entry["role"] == role]


def ordered_selections(evaluation: Mapping[str, Any]) -> list[str]:
    """Return the selection rules that a stamp holds, the primary one first."""
    return list(dict.fromkeys([evaluation["primary"], *evaluation.get("selections", ())]))


def fold_of(entry: Mapping[str, Any]) -> str:
    """Return the fold of a cell as tables name it."""
    return str(entry.get("fold", ALL))


def cards(cells: Sequence[Mapping[str, Any]], results: Path) -> dict[str, Mapping[str, Any]]:
    """Return the card of each data set by its id; an empty one where there is none yet.

    Args:
        cells: Cells of a study's JSON.
        results: Root of all outputs.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for entry in cells:
        if entry["dataset_id"] not in found:
            found[entry["dataset_id"]] = read_card(entry, results) or {}
    return found


def score_tasks(card: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the tasks that the mean is over; None, which means all, without a card."""
    return tuple(card["score_tasks"]) if card else None


def primary_metric(study: Mapping[str, Any], dataset: str) -> Mapping[str, Any]:
    """Return the declaration of the metric that a data set's cells are ranked by."""
    declaration: Mapping[str, Any] = study["metrics"][study["primary_metric"][dataset]]
    return declaration


def metrics_of(
    study: Mapping[str, Any], dataset: str, task_kind: str | None = None
) -> tuple[Mapping[str, Any], ...]:
    """Return the declarations of every metric of a data set, the primary one first.

    Args:
        study: The stamp's content.
        dataset: Its name.
        task_kind: Its kind of task, which other metrics of the study may not be defined for.
    """
    first = primary_metric(study, dataset)
    others = (study["metrics"][name] for name in study.get("extra_metrics", ()))
    return (
        first,
        *(m for m in others if m["name"] != first["name"] and task_kind in m["task_kinds"]),
    )


def over_cells(
    function: Callable[[Work], Found], work: Sequence[Work], workers: int, cells: int | None = None
) -> Iterator[Found]:
    """Yield a function's results in order, from several processes where there are many cells.

    Args:
        function: A function that a process can import.
        work: Its arguments.
        workers: Processes at most.
        cells: How many cells the work is about; by default one each.
    """
    if workers <= 1 or (len(work) if cells is None else cells) < MANY:
        yield from map(function, work)
        return
    # A fork would copy the locks of torch's and Arrow's threads in whatever state they are.
    context = multiprocessing.get_context("spawn")
    # They import this process's code, not what is on the disk when they start.
    with (
        for_workers() as (initializer, arguments),
        ProcessPoolExecutor(min(workers, len(work)), context, initializer, arguments) as pool,
    ):
        yield from pool.map(function, work, chunksize=4)


def frame(
    study: Mapping[str, Any], name: str, rows: Iterable[Mapping[str, Any]], whole: Sequence[str]
) -> pd.DataFrame:
    """Return rows as a table; what a row does not have is empty.

    Args:
        study: The stamp's content, which holds the columns of the table.
        name: The table's name.
        rows: Values by column.
        whole: The columns that hold whole numbers.
    """
    import pandas as pd

    table = pd.DataFrame(list(rows), columns=list(study["columns"][name]))
    return table.astype(dict.fromkeys(whole, "Int64"))
