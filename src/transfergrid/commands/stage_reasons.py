"""Why a stage is stale, in words: what its stamp says now and said before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from transfergrid.catalog.axes import AXES
from transfergrid.commands.reason_words import MISSING, flat, shown, words
from transfergrid.planning.cell_names import place_of

_EVALUATION = {"evaluation.primary"}
# Told in words of their own, or by another stage's stamp.
_OUTSIDE = {"cells", "claims", "questions", "templates", "resolved", "recipes", "code", "name"}
_OUTSIDE |= {"targets", "gathered", "run", "columns", "cams", "metrics", "extra_metrics"}
_OUTSIDE |= {"states", "compared", "drifts", "filters", "resets", "outlined"}
_OUTSIDE |= {"observers", "pictured", "subgroups", "externals", "benchmarks"}

_ASKED = {"curves": "curves", "mistaken": "films of errors"}
"""Parts of a stamp that are empty, or many settings at once."""


def stage_phrases(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return phrases for what differs between two states of a stage's stamp."""
    phrases = []
    if old.get("code") != new.get("code"):
        phrases.append("code changed")
    phrases += _cell_phrases(_cells_of(old), _cells_of(new))
    phrases += _question_phrases(old.get("questions") or [], new.get("questions") or [])
    phrases += _named_phrases("metric", old.get("metrics") or {}, new.get("metrics") or {})
    phrases += _named_phrases("table", old.get("columns") or {}, new.get("columns") or {})
    if old.get("claims") != new.get("claims"):
        phrases.append("claims changed")
    if old.get("cams") != new.get("cams"):
        phrases.append("other cells have maps")
    if any(old.get(key) != new.get(key) for key in ("states", "compared")):
        phrases.append("other networks are compared")
    if any(old.get(key) != new.get(key) for key in ("drifts", "filters", "resets")):
        phrases.append("other weights are measured")
    if old.get("externals") != new.get("externals"):
        phrases.append("other cells are tested elsewhere")
    if old.get("observers") != new.get("observers"):
        phrases.append("other observers are compared")
    if old.get("subgroups") != new.get("subgroups"):
        phrases.append("other groups are compared")
    if old.get("pictured") != new.get("pictured"):
        phrases.append("other cells are shown on films")
    if old.get("outlined") != new.get("outlined"):
        phrases.append("masks are compared otherwise")
    if old.get("benchmarks") != new.get("benchmarks"):
        phrases.append("other jobs are measured")
    turned = {key for key in _ASKED if bool(old.get(key)) != bool(new.get(key))}
    verbs = ("are not asked for any more", "are asked for")
    phrases += [f"{_ASKED[key]} {verbs[bool(new.get(key))]}" for key in sorted(turned)]
    outside = _OUTSIDE | turned
    then = {k: v for k, v in flat(old).items() if k.split(".")[0] not in outside}
    now = {k: v for k, v in flat(new).items() if k.split(".")[0] not in outside}
    for key in {**then, **now}:
        if key in _EVALUATION or then.get(key, MISSING) == now.get(key, MISSING):
            continue
        if key in ("title", "description"):
            phrases.append(f"{key} changed")
            continue
        setting = key.removeprefix("evaluation.")
        phrases.append(words(f"{setting} {shown(then.get(key))} → {shown(now.get(key))}"))
    files = [content.get("templates", {}) for content in (old, new)]
    names = sorted({*files[0], *files[1]})
    phrases += [f"{n} changed" for n in names if files[0].get(n) != files[1].get(n)]
    rest = {key for key in {*old, *new} if old.get(key) != new.get(key)}
    if not phrases and rest - {"gathered"}:
        phrases.append("settings of the study changed")
    return phrases


def _place(item: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(item.get(axis) for axis in AXES)


def _cells_of(content: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the cells of a stamp; where it has but their names, the axes stand in one place."""
    named = [
        {next(iter(AXES)): place_of(name), "cell": name} for name in content.get("targets", ())
    ]
    return content.get("cells") or named


def _cell_phrases(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> list[str]:
    then, now = ({_place(item): item for item in items} for items in (old, new))
    both = [name for name in now if name in then]
    replaced = sum(then[name]["cell"] != now[name]["cell"] for name in both)
    counts = {
        "added": sum(name not in then for name in now),
        "removed": sum(name not in now for name in then),
        "replaced": replaced,
        "described anew": sum(then[name] != now[name] for name in both) - replaced,
    }
    told = [f"{count} {verb}" for verb, count in counts.items() if count]
    if not told and list(then) != list(now):
        told = ["in a different order"]
    return [f"cells: {', '.join(told)}"] if told else []


def _question_phrases(
    old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]
) -> list[str]:
    then = {item["name"]: item for item in old}
    now = {item["name"]: item for item in new}
    return _named_phrases("question", then, now)


def _named_phrases(what: str, then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    gone = [f"{what} {name} removed" for name in then if name not in now]
    come = [f"{what} {name} added" for name in now if name not in then]
    other = [f"{what} {name} changed" for name in now if then.get(name, now[name]) != now[name]]
    return gone + come + other
