"""Functions of planning that a declaration names as text."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any


def named(reference: str) -> Callable[..., Any]:
    """Return the function of a ``module:function`` of the package."""
    module, _, function = reference.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), function)
    return found
