"""What planning knows of kinds of task."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from transfergrid.catalog.tasks import TASK_KINDS
from transfergrid.planning import tasks
from transfergrid.planning.tasks import check_selections, possible_kinds, task_kind
from transfergrid.runtime.errors import UserError


@pytest.mark.parametrize(
    ("settings", "kinds"),
    [
        ({"kind": "chexpert"}, ["multilabel"]),
        ({"kind": "phantom", "set": "shapes"}, ["multiclass"]),
        ({"kind": "phantom", "set": "chest"}, ["multilabel"]),
        ({"kind": "csv", "task_kind": "multiclass"}, ["multiclass"]),
        ({"kind": "medmnist", "task_kind": None}, ["multilabel", "multiclass"]),
        ({"kind": "my_lab:read", "task_kind": None}, ["multilabel", "multiclass"]),
    ],
)
def test_the_kinds_that_a_data_set_may_hold(settings: dict[str, Any], kinds: list[str]) -> None:
    assert [kind.name for kind in possible_kinds(settings)] == kinds


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(UserError, match="'masks'; allowed are multilabel, multiclass"):
        task_kind("masks")


def test_a_kind_may_not_let_tasks_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    config = {
        "datasets": {"films": {"kind": "chexpert"}},
        "evaluation": {"selections": ["best", "top3_per_task"]},
    }
    check_selections(config, "study.yaml")
    whole = tuple(replace(kind, per_task=False) for kind in TASK_KINDS)
    monkeypatch.setattr(tasks, "TASK_KINDS", whole)
    with pytest.raises(UserError, match="top3_per_task .* 'films' cannot, .* write top3.$"):
        check_selections(config, "study.yaml")
