"""Whether the cells of a study can follow its rules for choosing checkpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from transfergrid.planning.cells import Cell
from transfergrid.planning.metrics import StudyMetrics
from transfergrid.planning.study import Study
from transfergrid.planning.tasks import possible_kinds
from transfergrid.runtime.errors import UserError

_PER_TASK = "_per_task"


def check_selections(
    study: Study, targets: Sequence[Cell], scored: Sequence[Cell], metrics: StudyMetrics
) -> None:
    """Refuse a rule that some cells cannot follow.

    Args:
        study: The study.
        targets: Cells of its grid.
        scored: These, and the cells from which they are fine-tuned.
        metrics: The metrics that it names.

    Raises:
        UserError: The sentence names the rule and what cannot follow it.
    """
    datasets = list(dict.fromkeys(cell.point.dataset for cell in scored))
    for name in study.config["evaluation"]["selections"]:
        _check_kept(study, name, targets)
        if not name.endswith(_PER_TASK):
            continue
        for dataset in datasets:
            metric = metrics.declarations[metrics.primary[dataset]]
            reason = _one_for_all(study.config["datasets"][dataset], metric)
            if reason:
                raise UserError(
                    f"{study.source}: selection {name} lets each task choose its checkpoints, "
                    f"which data set '{dataset}' cannot, {reason}; write "
                    f"{name.removesuffix(_PER_TASK)}."
                )


def _check_kept(study: Study, name: str, targets: Sequence[Cell]) -> None:
    if not name.startswith("top"):
        return
    wanted = int(name.removeprefix("top").removesuffix(_PER_TASK))
    for protocol in dict.fromkeys(cell.point.protocol for cell in targets):
        kept = study.recipes[protocol].keep_checkpoints
        if kept < wanted:
            raise UserError(
                f"{study.source}: selection {name} needs {wanted} checkpoints, but protocol "
                f"'{protocol}' keeps {kept}; raise keep_checkpoints or choose top{kept}."
            )


def _one_for_all(settings: Mapping[str, Any], metric: Mapping[str, Any]) -> str:
    """Say why the tasks of a data set must share their checkpoints; empty if they need not."""
    for kind in possible_kinds(settings):
        if not kind.per_task:
            return f"being {kind.name}"
    if metric["per"] == "case":
        return f"whose metric '{metric['name']}' is one number over all classes"
    return ""
