"""What all unit tests share."""

from __future__ import annotations

import gc

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, lest one process works at the end and the others wait."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_collection_finish() -> None:
    """Leave what has been imported out of every search for garbage.

    Torch, pandas and pytest are a million objects that live to the end. Python walks them all in
    each full search, a third of a second long, and statsmodels asks for one in each test of many
    p-values.
    """
    gc.freeze()
