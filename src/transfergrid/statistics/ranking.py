"""How surely the order of networks is known."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pandas as pd

from transfergrid.statistics.basis import Answered, Basis, Question
from transfergrid.statistics.comparisons import runs
from transfergrid.statistics.conditions import Arm
from transfergrid.statistics.contrasts import Contrast, Names, adjust, contrast_of_influences
from transfergrid.statistics.findings import Finding
from transfergrid.statistics.places import Place, groups_of_networks, varying_axes, words
from transfergrid.statistics.relations import scores_of
from transfergrid.statistics.scale import Scale

METHOD = "all pairs of networks by the paired t, adjusted by Holm's method"
NOTE = (
    "bounds of all networks of the question hold at once; these networks as given; ranked by the "
    "test split, by which nothing is chosen"
)


def ranking(question: Question, basis: Basis) -> Answered:
    """Find each network's rank among those that share all else, 1 the best.

    All pairs are compared as a contrast compares them. A network's rank is at least 1 more than the
    number of networks that are shown to be better, and at most n less the number shown to be worse.
    Where no pair is called different by mistake, all these bounds hold at once.

    Args:
        question: A ranking question.
        basis: What it is answered from.
    """
    groups = list(groups_of_networks(basis.cells, basis.study, question["where"]))
    compared = [_compared(question, place, group, basis) for place, group in groups]
    adjusted = iter(adjust([row for rows in compared for row in rows], basis.alpha))
    found: list[Finding] = []
    for (place, group), rows in zip(groups, compared, strict=True):
        own = list(itertools.islice(adjusted, len(rows)))
        found += _findings(question, place, group, own, basis)
    return Answered(found)


def _compared(
    question: Question, place: Place, group: pd.DataFrame, basis: Basis
) -> list[Contrast]:
    """Compare every pair of networks."""
    arms = {
        str(name): runs(_arm(rows, basis), basis.reader, metric=question["metric"])
        for name, rows in group.groupby("architecture", sort=False)
    }
    scale = Scale.of(basis.reader.metric_of(place["dataset"], question["metric"]))
    rows = []
    for a, b in itertools.combinations(arms, 2):
        names = Names(f"{a} - {b}", question["name"], place["dataset"], a, b, scale)
        row, _ = contrast_of_influences([(arms[a], arms[b])], names, 0, basis.alpha)
        rows += [row] if row else []
    return rows


def _arm(rows: pd.DataFrame, basis: Basis) -> Arm:
    """Return the runs of a network that have a result, by seed."""
    cells = zip(rows["seed"], rows["cell"], strict=True)
    return {int(seed): {"cell": cell} for seed, cell in cells if cell in basis.reader.entries}


def _findings(
    question: Question,
    place: Place,
    group: pd.DataFrame,
    rows: Sequence[Contrast],
    basis: Basis,
) -> list[Finding]:
    metric = basis.reader.metric_of(place["dataset"], question["metric"])
    scores = scores_of(group["cell"], basis.reader, question["metric"]).to_numpy()
    means = pd.Series(scores, index=group["architecture"].to_numpy()).groupby(level=0).mean()
    means = means.dropna()
    ranks = means.rank(ascending=not metric["higher_is_better"])
    if len(ranks) < 2:
        return []
    varying = varying_axes(basis.reader.targets)
    shown = [(row.a, row.b) for row in rows if row.verdict == "better"]
    shown += [(row.b, row.a) for row in rows if row.verdict == "worse"]
    found = []
    for name in ranks.sort_values(kind="stable").index:
        own = {**place, "architecture": str(name)}
        found.append(
            Finding(
                question=question["name"],
                kind=question["kind"],
                subject=words(own, varying) or str(name),
                quantity="rank",
                value=float(ranks[name]),
                low=1.0 + sum(worse == name for _, worse in shown),
                high=float(len(ranks) - sum(better == name for better, _ in shown)),
                n=len(ranks),
                method=METHOD,
                note=NOTE,
                place=own,
                metric=metric["name"],
            )
        )
    return found
