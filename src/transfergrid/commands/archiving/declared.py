"""What a study's own file would tell: names of films and patients, and where the data lie."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from transfergrid.commands.archiving.ids import Names
from transfergrid.planning.inputs import PLACES
from transfergrid.runtime.errors import UserError

LEFT_OUT = "/left/out"
"""What stands where a study says where something lies."""
_MOST = 20
"""Values of parts of a split beyond which they are no parts but patients, or sites with few."""
_SHORT = 3
"""Digits below which the value of a part that is also some patient's number is none."""
_PARTS = ("train", "valid", "test")
_PLACE = re.compile(r"(?<![\w:/.$}<~*-])(?:~|/)[\w.@+-]*(?:/[\w.@+-]+)+")
"""A path of two names or more, from the root of a disk or a user's own folder."""


def check_declared(datasets: Mapping[str, Mapping[str, Any]], names: Mapping[str, Names]) -> None:
    """Refuse data sets whose settings, which every cell's specification has, name who is in them.

    Args:
        datasets: The study's data sets.
        names: Names of films, examinations and patients of each data set that is archived.

    Raises:
        UserError: It names the setting.
    """
    for name, own in names.items():
        if own.told:
            continue
        if setting := _naming(datasets[name], own):
            raise UserError(
                f"datasets.{name}.{setting} holds names of films, examinations or patients, which "
                "every cell's specification would tell; split by a column of parts instead, or "
                f"give --ids {name} if they may be told."
            )


def _naming(settings: Mapping[str, Any], own: Names) -> str:
    """Return the setting that names films or patients; empty if none does."""
    old = {name for kind in own.new.values() for name in kind}
    split = settings.get("split")
    if isinstance(split, Mapping):
        columns = {settings.get(f"{kind}_column") for kind in own.new} - {None}
        values = [value for part in (split.get(key) for key in _PARTS) for value in _leaves(part)]
        values = [str(value) for value in values if value is not None]
        if values and (split.get("column") in columns or len(values) > _MOST):
            return "split"
        if any(value in old and not (value.isdigit() and len(value) < _SHORT) for value in values):
            return "split"
    for key, value in settings.items():
        words = [leaf for leaf in _leaves(value) if isinstance(leaf, str)]
        if key not in PLACES["datasets"] and any(word in old for word in words):
            return key
    return ""


def _leaves(value: Any) -> Iterator[Any]:
    """Yield every key and value of nested settings."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield key
            yield from _leaves(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _leaves(one)
    else:
        yield value


def without_places(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a study's configuration without what says where data and weights lie."""
    found = {key: _open(value) for key, value in config.items()}
    for section, places in PLACES.items():
        found[section] = {
            name: {
                key: LEFT_OUT if key in places and _is_place(value) else value
                for key, value in entry.items()
            }
            for name, entry in found.get(section, {}).items()
        }
    return found


def _is_place(value: Any) -> bool:
    return isinstance(value, str) and bool(value) and not value.startswith("${")


def _open(value: Any) -> Any:
    if isinstance(value, str):
        return text_without_places(value, {})
    if isinstance(value, Mapping):
        return {key: _open(one) for key, one in value.items()}
    return [_open(one) for one in value] if isinstance(value, list | tuple) else value


def text_without_places(text: str, config: Mapping[str, Any]) -> str:
    """Return a study's file, comments and all, without what says where data and weights lie."""
    for section, places in PLACES.items():
        for entry in config.get(section, {}).values():
            for key in places:
                if _is_place(entry.get(key)):
                    value = re.escape(str(entry[key]))
                    start = rf"(\b{key}[\"']?\s*:\s*[\"']?)"
                    text = re.sub(start + value, rf"\g<1>{LEFT_OUT}", text)
    return _PLACE.sub(LEFT_OUT, text)
