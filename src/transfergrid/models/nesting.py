"""Find the tensors inside a checkpoint's content."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from transfergrid.models.pickled import NumpyArray
from transfergrid.runtime.errors import UserError, listed, printable

_DEEPEST = 4
_SHOWN = 3


def find_tensors(
    path: Path, content: Any, nested: str | None, left_out: Callable[[str], bool]
) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint by name.

    Args:
        path: The file, for messages.
        content: What it holds.
        nested: Where its tensors are: a key, or keys joined by dots.
        left_out: Tells whether a name may stand for something other than a tensor.

    Raises:
        UserError: There is nothing under `nested`, or not only tensors.
    """
    found = _under(content, nested) if nested else content
    if nested and not isinstance(found, dict):
        raise UserError(
            f"weight file {path} has no mapping under key_rule.nested '{nested}'{_advice(content)}."
        )
    if not isinstance(found, dict) or not found:
        raise UserError(f"weight file {path} holds {type(found).__name__}, not tensors by name.")
    # The file may have hidden the dict's own methods behind attributes.
    items = {str(key): value for key, value in dict.items(found)}
    strange = [name for name in items if not name.isprintable()]
    if strange:
        raise UserError(
            f"weight file {path} has a tensor whose name holds control codes "
            f"('{printable(strange[0])}'); save it again with plain names."
        )
    tensors = {name: value for name, value in items.items() if isinstance(value, Tensor)}
    others = [name for name in items if name not in tensors and not left_out(name)]
    if any(isinstance(items[name], NumpyArray) for name in others):
        raise UserError(
            f"weight file {path} holds numpy arrays ({listed(map(printable, others), _SHOWN)}); "
            "save them as tensors with the program that wrote them: torch.from_numpy(array)."
        )
    if others:
        told = f"weight file {path} holds more than tensors ({listed(map(printable, others))})"
        advice = (
            "; leave the others out with key_rule.drop"
            if tensors
            else _advice(content) or "; name the key that holds tensors with key_rule.nested"
        )
        raise UserError(f"{told}{advice}.")
    return {name: value.detach() for name, value in tensors.items()}


def _under(content: Any, path: str) -> Any:
    """Follow keys joined by dots; a key may itself contain dots."""
    if not isinstance(content, dict):
        return None
    if path in content:
        return dict.__getitem__(content, path)
    for place, character in enumerate(path):
        if character == "." and isinstance(dict.get(content, path[:place]), dict):
            found = _under(dict.get(content, path[:place]), path[place + 1 :])
            if found is not None:
                return found
    return None


def _advice(content: Any) -> str:
    places = sorted(_places(content, "", 0, set()), key=lambda place: -place[1])
    if not places:
        return ""
    shown = [f"'{printable(name)}' ({count})" for name, count in places[:_SHOWN]]
    return f"; tensors lie under {', '.join(shown)}: name one of these with key_rule.nested"


def _places(content: Any, prefix: str, depth: int, seen: set[int]) -> Iterator[tuple[str, int]]:
    """Yield where a checkpoint holds mappings of tensors only, and how many tensors."""
    if not isinstance(content, dict) or depth > _DEEPEST or id(content) in seen:
        return
    seen.add(id(content))
    values: Mapping[Any, Any] = dict(dict.items(content))
    if prefix and values and all(isinstance(value, Tensor) for value in values.values()):
        yield prefix, len(values)
        return
    for key, value in values.items():
        yield from _places(value, f"{prefix}.{key}" if prefix else str(key), depth + 1, seen)
