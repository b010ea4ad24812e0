"""The modules of a kind of task, found by name.

What kinds there are is no part of any stage's code: modules are imported by text, so that one more
kind makes no cell of another kind stale. A cell's specification names the code of its own kind.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Literal

from transfergrid.runtime.errors import UserError, listed


def half_of(task_kind: str, half: Literal["learn", "score"]) -> ModuleType:
    """Import the half of a kind of task that training or scoring needs.

    Raises:
        UserError: There is no such kind.
    """
    kinds = import_module("transfergrid.catalog.tasks").TASK_KINDS
    for kind in kinds:
        if kind.name == task_kind:
            return import_module(getattr(kind, half))
    raise UserError(f"task_kind is '{task_kind}'; allowed are {listed(k.name for k in kinds)}.")
