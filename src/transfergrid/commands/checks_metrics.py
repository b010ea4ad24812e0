"""Whether a study's own metrics keep their contract, tried on made-up answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from transfergrid.catalog.kinds import LABELS
from transfergrid.commands.remarks import Remark
from transfergrid.commands.tables_read import TablesRead
from transfergrid.planning.metrics import Declaration, functions_of, split_ours
from transfergrid.planning.planned import PlannedStudy
from transfergrid.planning.tasks import possible_kinds
from transfergrid.runtime.errors import UserError

if TYPE_CHECKING:
    from transfergrid.metrics.scoring import Cases  # numpy

_CASES, _TASKS = 60, 3


def check_metrics(planned: PlannedStudy, tables: TablesRead) -> Iterator[Remark]:
    """Call each metric of the study's own on a guesser's answers, as tables will on a cell's.

    Of data sets with labels: what is stored of masks is no probability. Labels are all known, and
    of both classes, so that a metric need not be undefined.
    """
    settings = planned.study.config["datasets"]
    names = dict.fromkeys(cell.point.dataset for cell in planned.targets)
    kinds = dict.fromkeys(kind.name for name in names for kind in possible_kinds(settings[name]))
    for metric in planned.metrics.declarations.values():
        if not split_ours(functions_of(metric))[1]:
            continue
        for kind in kinds:
            if kind in LABELS and kind in metric["task_kinds"]:
                fault = _fault(metric, kind)
                if fault:
                    yield Remark("error", "metrics", f"{planned.study.source}: {fault}")
                    break


def _fault(metric: Declaration, kind: str) -> str:
    """Return what is wrong with a metric; empty if nothing is."""
    from transfergrid.metrics.scoring import Scorer

    try:
        scorer = Scorer.of(metric)
        scorer.intervals(_guessed(kind, 1), scorer.points(_guessed(kind, 0)))
    except UserError as error:
        return str(error)
    except Exception as error:  # a module that cannot be imported may fail in any way
        functions = ", ".join(functions_of(metric))
        return f"metric '{metric['name']}' ({functions}) failed ({type(error).__name__}: {error})."
    return ""


def _guessed(kind: str, seed: int) -> Cases:
    """Return answers of a network that has learned nothing, two cases of each patient."""
    import numpy as np

    from transfergrid.metrics.scoring import Cases

    random = np.random.default_rng(seed)
    tasks = tuple(f"task{number}" for number in range(_TASKS))
    probabilities = random.random((_CASES, _TASKS))
    if kind == "multiclass":
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        labels = np.eye(_TASKS, dtype=np.float32)[np.arange(_CASES) % _TASKS]
    else:
        turns = np.arange(_CASES)[:, None] + np.arange(_TASKS)
        labels = (turns % 3 == 0).astype(np.float32)
    patients = np.array([f"p{number // 2:02d}" for number in range(_CASES)])
    return Cases(probabilities, labels, patients, tasks, tasks)
