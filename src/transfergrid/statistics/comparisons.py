"""A contrast question's pairs of cells: one row per pair, and one for the mean over networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transfergrid.catalog.axes import PLACE
from transfergrid.planning.wanted import each
from transfergrid.runtime.progress import progress
from transfergrid.statistics.basis import Answered, Basis, Evidence, Question
from transfergrid.statistics.conditions import Arm, conditions
from transfergrid.statistics.contrasts import (
    Contrast,
    Names,
    Runs,
    adjust,
    contrast_of_influences,
)
from transfergrid.statistics.named import ONE_SEED
from transfergrid.statistics.places import Place, key, value_words, varying_axes, words
from transfergrid.statistics.reader import Reader

Cell = Mapping[str, Any]
Pair = tuple[Arm, Arm]
Replicates = NDArray[np.float64]


@dataclass(frozen=True)
class Compared:
    """A contrast with the cells behind it.

    Attributes:
        row: The contrast.
        question: The question that it answers.
        place: What the pairs share, including the architecture unless it is a mean over networks.
        value: Value of the question's axis in arm a.
        pairs: The pairs of cells over which the row is the mean.
        asked: How many there would be if all had a result.
    """

    row: Contrast
    question: Mapping[str, Any]
    place: Place
    value: Any
    pairs: tuple[Pair, ...]
    asked: int = 1

    @property
    def key(self) -> str:
        """The text with which a network's random draws are seeded; it never changes."""
        mark = "drop" if self.question["axis"] == "truncation" else ""
        baseline = self.question["baseline"]
        return f"{key(self.place)}: {mark}{self.value} - {mark}{baseline}"

    @property
    def metric(self) -> str:
        """Name of the metric."""
        return self.row.metric

    def columns(self) -> dict[str, Any]:
        """Return the row of contrasts.csv."""
        place = {axis: self.place.get(axis, "") for axis in PLACE if axis != "dataset"}
        where = {"axis": self.question["axis"], **place, "n_cells_asked": self.asked}
        return {**self.row.row(), **where}

    def evidence(self) -> Evidence:
        """Return what a claim may be judged by."""
        axis = self.question["axis"]
        keys = {"kind": "contrast", "axis": axis, "a": self.value, "b": self.question["baseline"]}
        keys["metric"] = self.metric
        keys |= {**self.place, axis: self.value}
        if axis != "architecture":
            keys["networks"] = self.place.get("architecture", "mean")
        row = self.row
        condition = ONE_SEED if row.n_seeds == 1 else ""
        label = f"{row.question}: {row.contrast}"
        return Evidence(keys, label, row.estimate, row.low, row.high, condition)

    def arms(self, reader: Reader) -> tuple[Replicates, Replicates]:
        """Return (S, B) patient replicates of each arm, averaged over pairs within a seed."""

        def arm(cells: Sequence[Arm]) -> Replicates:
            runs = [
                [reader.replicates(c[seed]["cell"], self.metric) for seed in self.row.seeds]
                for c in cells
            ]
            return np.mean(runs, axis=0)

        return arm([a for a, _ in self.pairs]), arm([b for _, b in self.pairs])


def compare(question: Question, basis: Basis) -> Answered:
    """Compare along one axis, pair by pair; then average each value over its pairs.

    Args:
        question: A contrast question.
        basis: What it is answered from.
    """
    reader, alpha = basis.reader, basis.alpha
    axis, baseline = question["axis"], question["baseline"]
    varying = varying_axes(reader.targets)
    rest = [name for name in PLACE if name != axis]
    there = arms_by_place(question, reader)
    rows: list[Compared] = []
    skipped: list[str] = []
    groups: dict[tuple[Any, tuple[Any, ...]], list[Pair]] = {}
    for place, arms in progress(there, len(there), f"question {question['name']}"):
        for value in arms:
            if value == baseline:
                continue
            if baseline not in arms:
                skipped.append(
                    f"{question['name']}: {words(place, varying) or 'the study'} has {axis} "
                    f"{value} but no baseline {baseline}; it is left out."
                )
                continue
            pair = (arms[value], arms[baseline])
            # What is averaged shares data, protocol and the like; only the network may differ.
            common = tuple(place[name] for name in rest if name != "architecture")
            groups.setdefault((value, common), []).append(pair)
            row, left_out = _one([pair], question, words(place, varying), value, reader, alpha)
            rows += [Compared(row, question, place, value, (pair,))] if row else []
            skipped += left_out
    for (value, common), pairs in groups.items():
        if len(pairs) > 1:
            place = dict(zip([n for n in rest if n != "architecture"], common, strict=True))
            told = words(place, varying)
            row, left_out = _one(pairs, question, _mean(len(pairs), told), value, reader, alpha)
            if row and 1 < row.n_cells < len(pairs):
                name = _mean(f"{row.n_cells} of {len(pairs)}", told)
                row = replace(row, contrast=_named(name, _arms(question, value)))
            if row and row.n_cells > 1:
                used = _used(pairs, row, reader)  # a mean of one would be that network's own row
                rows.append(Compared(row, question, place, value, used, len(pairs)))
            skipped += left_out
    adjusted = adjust([one.row for one in rows], alpha)
    found = [replace(one, row=row) for one, row in zip(rows, adjusted, strict=True)]
    return Answered(found, skipped)


def arms_by_place(question: Question, reader: Reader) -> list[tuple[Place, dict[Any, Arm]]]:
    """Return the cells of a question by what they share apart from its axis, then by its values.

    Args:
        question: With an `axis`, and a `where` that cells match.
        reader: Knows the cells.
    """
    axis = question["axis"]
    rest = [name for name in PLACE if name != axis]
    found: dict[tuple[Any, ...], dict[Any, dict[int, Cell]]] = {}
    for cell in reader.targets:
        if all(cell[name] in each(wanted) for name, wanted in question["where"].items()):
            key = tuple(cell[name] for name in rest)
            found.setdefault(key, {}).setdefault(cell[axis], {})[cell["seed"]] = cell
    return [(dict(zip(rest, key, strict=True)), {**arms}) for key, arms in found.items()]


def _mean(networks: object, place: str) -> str:
    return ", ".join(filter(None, (f"mean of {networks} networks", place)))


def _arms(question: Question, value: Any) -> list[str]:
    """Return both arms in words."""
    return [value_words(question["axis"], arm) for arm in (value, question["baseline"])]


def _named(place: str, arms: Sequence[str]) -> str:
    """Return the name of a contrast."""
    difference = " - ".join(arms)
    return f"{place}: {difference}" if place else difference


def _used(pairs: Sequence[Pair], row: Contrast, reader: Reader) -> tuple[Pair, ...]:
    """Return the pairs that have a result for every seed of the row."""

    def whole(arm: Arm) -> bool:
        return all(
            seed in arm
            and not np.isnan(reader.influence(arm[seed]["cell"], metric=row.metric)[0].estimate)
            for seed in row.seeds
        )

    return tuple(pair for pair in pairs if whole(pair[0]) and whole(pair[1]))


def _one(
    pairs: Sequence[Pair],
    question: Mapping[str, Any],
    place: str,
    value: Any,
    reader: Reader,
    alpha: float,
) -> tuple[Contrast | None, list[str]]:
    cells = [cell for pair in pairs for arm in pair for cell in arm.values()]
    arms, metric = _arms(question, value), question["metric"]
    scale = reader.scale(cells[0]["cell"], metric)
    given = conditions([arm for pair in pairs for arm in pair], reader)
    names = Names(
        contrast=_named(place, arms),
        question=question["name"],
        dataset=cells[0]["dataset"],
        a=arms[0],
        b=arms[1],
        scale=scale,
        conditional_on=(*given, *([scale.fixed] if scale.fixed else [])),
    )
    row, left_out = contrast_of_influences(
        [(runs(a, reader, metric=metric), runs(b, reader, metric=metric)) for a, b in pairs],
        names,
        max(reader.influence(cell["cell"], metric=metric)[1] for cell in cells),
        alpha,
        question["margin"],
        question["effect"],
    )
    if row:
        row = replace(row, a=str(value), b=str(question["baseline"]))
    return row, left_out


def runs(arm: Arm, reader: Reader, selection: str | None = None, metric: str | None = None) -> Runs:
    """Return an arm's influence values by seed, by default of the primary selection and metric."""
    return {
        seed: reader.influence(cell["cell"], selection, metric)[0] for seed, cell in arm.items()
    }
