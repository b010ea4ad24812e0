"""Rules for choosing checkpoints that some cells of a study cannot follow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from unit.planning.made_up_plan import planned

from transfergrid.catalog.tasks import TASK_KINDS
from transfergrid.planning import tasks
from transfergrid.runtime.errors import UserError

BY_TASK: dict[str, Any] = {"evaluation": {"selections": ["best", "top2_per_task"]}}


def test_a_metric_of_whole_cases_cannot_rank_task_by_task(tmp_path: Path) -> None:
    classes = {"datasets": {"films": {"set": "shapes", "metric": "accuracy"}}}
    assert planned(tmp_path, classes)
    with pytest.raises(UserError, match="top2_per_task .* 'films' cannot, whose metric 'accuracy'"):
        planned(tmp_path, {**classes, **BY_TASK})
    assert planned(tmp_path, {"datasets": {"films": {"set": "shapes"}}, **BY_TASK})


def test_source_cells_follow_the_rules_too(tmp_path: Path) -> None:
    source = {"datasets": {"shapes": {"metric": "accuracy"}}}
    with pytest.raises(UserError, match="top2_per_task .* 'shapes' cannot, .* write top2.$"):
        planned(tmp_path, {**source, **BY_TASK})


def test_a_kind_of_task_may_have_no_choice_by_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert planned(tmp_path, BY_TASK)
    whole = tuple(replace(kind, per_task=False) for kind in TASK_KINDS)
    monkeypatch.setattr(tasks, "TASK_KINDS", whole)
    with pytest.raises(UserError, match="top2_per_task .* 'films' cannot, being multilabel; write"):
        planned(tmp_path, BY_TASK)
