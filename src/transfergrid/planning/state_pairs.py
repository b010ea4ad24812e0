"""Which states of networks are compared with which: those of one place, for a reason with a name.

A place is a data set, a fold, a network and a cut: only there do two states see the same images
at the same positions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

INITIAL, FINAL = "initial", "final"
PAIRS: Mapping[str, str] = {
    "before_after": "a cell's best checkpoint and what it started from",
    "sources_before": "two sources, as they were released",
    "sources_after": "two sources, trained by one protocol from one seed",
    "seeds": "two seeds of one pretraining and protocol",
    "protocols": "two protocols of one pretraining and seed",
    "random": "weights drawn at random, and a source, all or some of whose weights are loaded",
    "drawn": "any other two pretrainings of which one or both load no weights",
}
"""Every reason for a pair, in words."""
NOTHING, LIKENESS, WEIGHTS = "nothing", "likeness", "weights"
"""What initial weights have of a source's: nothing; statistics or a scale, by which they were drawn
or made; or some of its weights, or all but the head."""
_TAKEN = (NOTHING, LIKENESS, WEIGHTS)
PLACE = ("dataset", "fold", "architecture", "truncation")
"""What the two states of a pair share."""

Entry = Mapping[str, Any]
Pair = tuple[str, str, str]
"""A reason, and the ids of the two states: the earlier, or the drawn one, first."""


def places(entries: Iterable[Entry]) -> dict[tuple[Any, ...], list[Entry]]:
    """Return entries of states, or of cells, by their place, in order."""
    found: dict[tuple[Any, ...], list[Entry]] = {}
    for entry in entries:
        found.setdefault(tuple(entry.get(axis, "all") for axis in PLACE), []).append(entry)
    return found


def pairs_of(entries: Iterable[Entry], wanted: Sequence[str]) -> list[Pair]:
    """Return the pairs of states that are compared.

    Args:
        entries: The states: their id, state (`INITIAL` or `FINAL`), place, pretraining, protocol,
            seed (None where seeds share it), what their start took of a source (``taken``:
            `NOTHING`, `LIKENESS` or `WEIGHTS`), of an initial state what calibrated its batch
            norms, and of a final one the id of its initial one.
        wanted: Keys of `PAIRS`.
    """
    found: list[Pair] = []
    for members in places(entries).values():
        for reason, left, right in _in_place(members):
            if reason in wanted:
                found.append((reason, str(left["id"]), str(right["id"])))
    return found


def cell_pairs(cells: Sequence[Entry]) -> list[Pair]:
    """Return every pair of cells of a place, with what sets them apart.

    Args:
        cells: Their name (``cell``), place, pretraining, protocol, seed and what their start took
            of a source (``taken``).
    """
    found: list[Pair] = []
    for members in places(cells).values():
        for left, right in combinations(members, 2):
            reason = _apart(left, right)
            ends = _ordered(reason, left, right)
            found.append((reason, str(ends[0]["cell"]), str(ends[1]["cell"])))
    return found


def _apart(left: Entry, right: Entry) -> str:
    axes = ("pretraining", "protocol", "seed")
    differ = [axis for axis in axes if left[axis] != right[axis]]
    if len(differ) > 1:
        return "several"
    if differ == ["pretraining"]:
        return _of_pretrainings(left, right, "sources")
    return f"{differ[0]}s"


def _of_pretrainings(left: Entry, right: Entry, sources: str) -> str:
    """Return why two pretrainings are compared; `sources` if both load weights."""
    taken = {left["taken"], right["taken"]}
    if taken == {WEIGHTS}:
        return sources
    return "random" if taken == {NOTHING, WEIGHTS} else "drawn"


def _ordered(reason: str, left: Entry, right: Entry) -> tuple[Entry, Entry]:
    """Put the end that took less of a source first, whatever the study's order."""
    less = _TAKEN.index(right["taken"]) < _TAKEN.index(left["taken"])
    return (right, left) if reason in ("random", "drawn") and less else (left, right)


def _in_place(members: Sequence[Entry]) -> Iterator[tuple[str, Entry, Entry]]:
    by_id = {entry["id"]: entry for entry in members}
    for entry in members:
        if entry["state"] == FINAL and entry["initial"] in by_id:
            yield "before_after", by_id[entry["initial"]], entry
    for when in (INITIAL, FINAL):
        stage = [entry for entry in members if entry["state"] == when]
        for left, right in combinations(stage, 2):
            reason = _reason(left, right, when)
            if reason:
                yield (reason, *_ordered(reason, left, right))


def _reason(left: Entry, right: Entry, when: str) -> str:
    """Return why two states of a place and of one moment are compared; empty if they are not."""
    seeds = left["seed"], right["seed"]
    same_seed = seeds[0] == seeds[1] or None in seeds
    same_protocol = left["protocol"] == right["protocol"]
    if left["pretraining"] == right["pretraining"]:
        if left.get("calibrated") != right.get("calibrated"):
            return ""
        if same_protocol:
            return "" if same_seed else "seeds"
        return "protocols" if same_seed else ""
    if not (same_seed and same_protocol):
        return ""
    return _of_pretrainings(left, right, f"sources_{'before' if when == INITIAL else 'after'}")
