"""Whether one difference between two arms is another: a difference of differences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from transfergrid.runtime.errors import listed
from transfergrid.statistics.basis import Answered, Basis, Question
from transfergrid.statistics.comparisons import arms_by_place, runs
from transfergrid.statistics.conditions import Arm, conditions
from transfergrid.statistics.contrasts import Names, Runs, contrast_of_influences
from transfergrid.statistics.findings import ALL, Finding
from transfergrid.statistics.named import CHANGE, FIRST, SECOND
from transfergrid.statistics.paired import check_paired
from transfergrid.statistics.places import Place, value_words, varying_axes, words


def interaction(question: Question, basis: Basis) -> Answered:
    """Subtract the difference of two arms from that of two others, place by place.

    Args:
        question: An interaction question.
        basis: What it is answered from.
    """
    wanted = [*question["of"], *question["against"]]
    varying = varying_axes(basis.reader.targets)
    found: list[Finding] = []
    left_out: list[str] = []
    for place, arms in arms_by_place(question, basis.reader):
        lacking = [value for value in dict.fromkeys(wanted) if value not in arms]
        if len(lacking) == len(set(wanted)):
            continue
        told = words(place, varying)
        if lacking:
            left_out.append(
                f"{question['name']}: {told or 'the study'} has no {question['axis']} "
                f"{listed(lacking)}; it is left out."
            )
            continue
        rows = list(_rows(question, place, told, [arms[value] for value in wanted], basis))
        found += rows
        if not rows:
            left_out.append(
                f"{question['name']}: {told or 'the study'} has no seed with a result in all of "
                f"{listed(wanted)}; it is left out."
            )
    return Answered(found, left_out)


def _rows(
    question: Question, place: Place, told: str, arms: Sequence[Arm], basis: Basis
) -> Iterator[Finding]:
    """Yield both differences and what the first has beyond the second, over the same seeds."""
    reader, metric = basis.reader, question["metric"]
    a, b, c, d = _in_common([runs(arm, reader, metric=metric) for arm in arms])
    if not a:
        return
    check_paired(
        [r for side in (a, b, c, d) for r in side.values()], f"Question {question['name']!r}"
    )
    wanted = (*question["of"], *question["against"])
    names = [value_words(question["axis"], v) for v in wanted]
    first, second = (f"({' - '.join(pair)})" for pair in (names[:2], names[2:]))
    parts: dict[str, tuple[Runs, Runs, str, str]] = {
        FIRST: (a, b, names[0], names[1]),
        SECOND: (c, d, names[2], names[3]),
        CHANGE: (*_sides(a, b, c, d, wanted), first, second),
    }
    cell = next(iter(arms[0].values()))
    scale, studies = reader.scale(cell["cell"], metric), reader.influence(cell["cell"])[1]
    given = (*conditions(arms, reader), *([scale.fixed] if scale.fixed else []))
    for quantity, (left, right, left_name, right_name) in parts.items():
        # A difference of differences can be twice as wide as a difference.
        wide = replace(scale, width=2 * scale.width) if quantity == CHANGE else scale
        named = Names(told, question["name"], cell["dataset"], left_name, right_name, wide, given)
        row, _ = contrast_of_influences([(left, right)], named, studies, basis.alpha)
        if row is not None:
            yield Finding(
                question=question["name"],
                kind=question["kind"],
                subject=told or ALL,
                quantity=quantity,
                value=row.estimate,
                low=row.low,
                high=row.high,
                n=1,
                method=f"{left_name} - {right_name}: {row.method}",
                note=row.conditional_on,
                metric=scale.name,
                place=place,
                also={"axis": question["axis"]},
                condition=row.conditional_on,
            )


def _in_common(sides: Sequence[Runs]) -> list[Runs]:
    """Return each side's runs of those seeds that have a result on all sides."""
    there = [{s for s, run in side.items() if not math.isnan(run.estimate)} for side in sides]
    seeds = set.intersection(*there)
    return [{seed: run for seed, run in side.items() if seed in seeds} for side in sides]


def _sides(a: Runs, b: Runs, c: Runs, d: Runs, values: Sequence[Any]) -> tuple[Runs, Runs]:
    """Return sides whose difference is (a - b) - (c - d), and whose seeds have nothing in common.

    A contrast takes its sides for independent samples of seeds. An arm that is in both differences
    would be counted twice where it cancels, and half where it adds up.

    Args:
        a: Runs by seed, as are b, c and d.
        b: Subtracted from a.
        c: Subtracted, with what is subtracted from it.
        d: Subtracted from c.
        values: The four values of the axis.
    """
    if values[1] == values[3]:
        return a, c
    if values[0] == values[2]:
        return d, b
    sides = _minus(a, b), _minus(c, d)
    if values[0] == values[3] or values[1] == values[2]:
        change = _minus(*sides)
        return change, _minus(change, change)
    return sides


def _minus(one: Runs, other: Runs) -> Mapping[int, Any]:
    """Subtract runs seed by seed; all are on the same patients."""
    return {
        seed: replace(
            run,
            estimate=run.estimate - other[seed].estimate,
            values=run.values - other[seed].values,
        )
        for seed, run in one.items()
    }
