"""What planning knows of kinds of task."""

from __future__ import annotations

from typing import Any

import pytest

from transfergrid.planning.tasks import possible_kinds, task_kind
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
