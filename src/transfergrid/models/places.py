"""Where a checkpoint holds tensors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor

_DEEPEST = 4


def tensor_places(content: Any) -> Iterator[tuple[str, list[str]]]:
    """Yield every mapping with tensors in it: the keys that lead there, and its tensors' names.

    Args:
        content: What a file holds, as plain data. Keys are joined by dots; the top is an empty
            string. A mapping that is there twice is told once.
    """
    yield from _places(content, "", set())


def _places(content: Any, place: str, seen: set[int]) -> Iterator[tuple[str, list[str]]]:
    if not isinstance(content, dict) or place.count(".") >= _DEEPEST or id(content) in seen:
        return
    seen.add(id(content))
    # The file may have hidden the dict's own methods behind attributes.
    items = {str(key): value for key, value in dict.items(content)}
    names = [name for name, value in items.items() if isinstance(value, Tensor)]
    if names:
        yield place, names
    for name, value in items.items():
        yield from _places(value, f"{place}.{name}" if place else name, seen)
