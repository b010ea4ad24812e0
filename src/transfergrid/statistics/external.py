"""What holds on films of other hospitals, arm by arm and pair by pair: an `external` question."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from transfergrid.catalog.axes import PLACE
from transfergrid.metrics.influence import Influence
from transfergrid.runtime.hashing import seeded
from transfergrid.runtime.progress import progress
from transfergrid.statistics.basis import Answered, Basis, Evidence, Question
from transfergrid.statistics.comparisons import arms_by_place
from transfergrid.statistics.conditions import Arm, conditions
from transfergrid.statistics.contrasts import Contrast, Names, contrast_of_influences
from transfergrid.statistics.elsewhere import Both, both_of
from transfergrid.statistics.multiplicity import holm
from transfergrid.statistics.named import ONE_SEED, UNDECIDED
from transfergrid.statistics.order_kept import Order, order_kept
from transfergrid.statistics.places import Place, key, value_words, varying_axes, words
from transfergrid.statistics.reader import Reader
from transfergrid.statistics.scale import Scale

Found = Mapping[int, Both]
"""By seed an arm's values at home and elsewhere, the mean over its networks."""


@dataclass(frozen=True)
class Group:
    """The arms of one place, tested on one other data set.

    Attributes:
        question: The question.
        place: What the arms share.
        tested_on: The other data set.
        scale: The metric.
        arms: By value of the axis its results; each has a seed at least.
        cells: By value of the axis the cells of each of its networks.
        given: What all intervals take as given.
    """

    question: Question
    place: Place
    tested_on: str
    scale: Scale
    arms: Mapping[Any, Found]
    cells: Mapping[Any, Sequence[Arm]]
    given: tuple[str, ...]

    @property
    def key(self) -> str:
        """The text with which its random draws are seeded; it never changes."""
        return f"{self.question['name']} {key(self.place)} {self.tested_on}"

    def columns(self) -> dict[str, Any]:
        """Return what the rows of both tables share."""
        place = {axis: self.place.get(axis, "") for axis in PLACE if axis != "dataset"}
        return {
            "question": self.question["name"],
            "metric": self.scale.name,
            "dataset": self.place["dataset"],
            "tested_on": self.tested_on,
            "axis": self.question["axis"],
            **place,
        }

    def names(self, told: str) -> Names:
        """Return the names of a comparison within it."""
        question, dataset = str(self.question["name"]), str(self.place["dataset"])
        return Names(told, question, dataset, "", "", self.scale, self.given)


@dataclass(frozen=True)
class ExternalArm:
    """A row of external_arms.csv.

    Attributes:
        group: What it is about.
        value: The value of the axis.
        row: The drop, as a contrast of it with none.
        internal: Mean over seeds on the own test films.
        external: Mean over seeds on the others.
        patients: Patients of either.
        order: How alike the orders of all arms are.
        adjusted: p-value of no drop by Holm's method.
        alpha: Level of the verdict.
    """

    group: Group
    value: Any
    row: Contrast
    internal: float
    external: float
    patients: tuple[int, int]
    order: Order
    adjusted: float = math.nan
    alpha: float = 0.05

    @property
    def verdict(self) -> str:
        """Whether it is worse or better there than at home."""
        if not self.adjusted < self.alpha:
            return UNDECIDED
        return "worse" if self.row.estimate > 0 else "better"

    def columns(self) -> dict[str, Any]:
        """Return the row of external_arms.csv."""
        ranks = self.order.ranks[self.value]
        return {
            **self.group.columns(),
            "arm": self.value,
            "n_cells": len(self.group.cells[self.value]),
            "n_seeds": self.row.n_seeds,
            "internal": self.internal,
            "external": self.external,
            "drop": self.row.estimate,
            "drop_low": self.row.low,
            "drop_high": self.row.high,
            "p_drop": self.row.p_difference,
            "p_drop_adjusted": self.adjusted,
            "verdict": self.verdict,
            "rank_internal": ranks[0],
            "rank_external": ranks[1],
            "n_arms": len(self.order.ranks),
            **dict(zip(("tau", "tau_low", "tau_high"), self.order.tau, strict=True)),
            **dict(zip(("rho", "rho_low", "rho_high"), self.order.rho, strict=True)),
            "n_patients_internal": self.patients[0],
            "n_patients_external": self.patients[1],
            "conditional_on": self.row.conditional_on,
        }

    def evidence(self) -> Evidence:
        """Return what a claim may be judged by: the drop."""
        axis = self.group.question["axis"]
        keys = {"kind": "external", "axis": axis, "tested_on": self.group.tested_on}
        keys |= {**self.group.place, axis: self.value, "metric": self.group.scale.name}
        if axis != "architecture":
            keys["networks"] = self.group.place.get("architecture", "mean")
        told = value_words(axis, self.value)
        label = f"{self.group.question['name']}: drop of {told} on {self.group.tested_on}"
        condition = ONE_SEED if self.row.n_seeds == 1 else ""
        return Evidence(keys, label, self.row.estimate, self.row.low, self.row.high, condition)


def external(question: Question, basis: Basis) -> Answered:
    """Find the drop of each arm elsewhere, and whether the arms keep their order there.

    Args:
        question: An external question.
        basis: What it is answered from.
    """
    rows: list[ExternalArm] = []
    pairs: list[dict[str, Any]] = []
    left_out: list[str] = []
    groups = list(_groups(question, basis, left_out))
    for group in progress(groups, len(groups), f"question {question['name']}"):
        rows += _arms(group, basis)
        pairs += _pairs(group, basis)
    adjusted = holm([one.row.p_difference for one in rows])
    found = [
        replace(one, adjusted=float(p), alpha=basis.alpha)
        for one, p in zip(rows, adjusted, strict=True)
    ]
    return Answered(found, left_out, {"external_pairs": _judged(pairs, basis.alpha)})


def _groups(question: Question, basis: Basis, left_out: list[str]) -> Iterator[Group]:
    """Yield the arms of each place with each data set that they are tested on."""
    reader, metric = basis.reader, question["metric"]
    varying = varying_axes(reader.targets)
    others = dict.fromkeys(one["tested_on"] for one in basis.study["externals"])
    read = cache(lambda run, name: both_of(reader, run, name, metric))
    for place, cells in _places(question, reader):
        scale = Scale.of(reader.metric_of(place["dataset"], metric))
        for name in others:
            if name == place["dataset"]:
                continue
            arms = {
                value: found
                for value, own in cells.items()
                if (
                    found := _results(
                        [{s: read(c["cell"], name) for s, c in a.items()} for a in own]
                    )
                )
            }
            lost = [value_words(question["axis"], value) for value in cells if value not in arms]
            if lost and arms:
                told = words(place, varying) or "the study"
                left_out.append(
                    f"{question['name']}: {told} has no result of {', '.join(lost)} on {name}; it "
                    "is left out."
                )
            if arms:
                given = conditions([arm for value in arms for arm in cells[value]], reader)
                fixed = (scale.fixed,) if scale.fixed else ()
                yield Group(question, place, name, scale, arms, cells, (*given, *fixed))


def _places(
    question: Question, reader: Reader
) -> Iterator[tuple[Place, Mapping[Any, Sequence[Arm]]]]:
    """Yield each place with its arms; then means over networks that have the same arms."""
    alike: dict[tuple[Any, ...], list[Mapping[Any, Arm]]] = {}
    rest = [axis for axis in PLACE if axis not in (question["axis"], "architecture")]
    for place, arms in arms_by_place(question, reader):
        yield place, {value: (arm,) for value, arm in arms.items()}
        if question["axis"] != "architecture":
            alike.setdefault(tuple(place[axis] for axis in rest), []).append(arms)
    for values, several in alike.items():
        common = [value for value in several[0] if all(value in arms for arms in several)]
        if len(several) > 1 and common:
            place = dict(zip(rest, values, strict=True))
            yield place, {value: tuple(arms[value] for arms in several) for value in common}


def _results(networks: Sequence[Mapping[int, Both | None]]) -> dict[int, Both]:
    """Return the mean over networks by seed, of seeds for which each network has both results."""
    found = {}
    for seed in sorted(networks[0]):
        several = [one for own in networks if (one := own.get(seed)) is not None and one.whole]
        if len(several) == len(networks):
            found[seed] = _mean(several)
    return found


def _mean(several: Sequence[Both]) -> Both:
    first = several[0]

    def mean(runs: Sequence[Influence]) -> Influence:
        estimate = float(np.mean([run.estimate for run in runs]))
        return replace(runs[0], estimate=estimate, values=np.mean([r.values for r in runs], axis=0))

    return replace(
        first, own=mean([one.own for one in several]), there=mean([one.there for one in several])
    )


def _arms(group: Group, basis: Basis) -> list[ExternalArm]:
    settings = basis.study["evaluation"]["bootstrap"]
    seed = seeded("external", settings["seed"], group.key)
    order = order_kept(group.arms, group.scale.sign, settings["replicates"], seed, basis.alpha)
    rows = []
    for value, found in group.arms.items():
        drops = {s: both.drop(group.scale.sign) for s, both in found.items()}
        none = {
            s: replace(d, estimate=0.0, values=np.zeros_like(d.values)) for s, d in drops.items()
        }
        first = next(iter(found.values()))
        told = group.names(f"drop of {value_words(group.question['axis'], value)}")
        row, _ = contrast_of_influences([(drops, none)], told, first.n_own, basis.alpha)
        assert row is not None  # each arm has a seed
        sides = [[both.own for both in found.values()], [both.there for both in found.values()]]
        internal, external = (float(np.mean([run.estimate for run in side])) for side in sides)
        patients = _counted(first.own), _counted(first.there)
        rows.append(ExternalArm(group, value, row, internal, external, patients, order))
    return rows


def _counted(run: Influence) -> int:
    return len(run.values) if run.groups is None else int((run.groups >= 0).sum())


def _pairs(group: Group, basis: Basis) -> list[dict[str, Any]]:
    """Return the rows of external_pairs.csv, the arm first that is better at home."""
    means = {
        value: group.scale.sign * float(np.mean([both.own.estimate for both in found.values()]))
        for value, found in group.arms.items()
    }
    ordered = sorted(means, key=lambda value: -means[value])
    rows = []
    for a, b in itertools.combinations(ordered, 2):
        sides = [_side(group, a, b, side, basis.alpha) for side in ("own", "there")]
        if sides[0] is not None and sides[1] is not None:
            rows.append(_pair(group, a, b, sides[0], sides[1]))
    return rows


def _side(group: Group, a: Any, b: Any, side: str, alpha: float) -> Contrast | None:
    """Compare two arms on one of the two sets of films."""
    runs = [
        {seed: getattr(both, side) for seed, both in group.arms[value].items()} for value in (a, b)
    ]
    return contrast_of_influences([(runs[0], runs[1])], group.names(f"{a} - {b}"), 0, alpha)[0]


def _pair(group: Group, a: Any, b: Any, own: Contrast, there: Contrast) -> dict[str, Any]:
    signs = np.sign(own.estimate), np.sign(there.estimate)
    order = "tied" if 0 in signs else "kept" if signs[0] == signs[1] else "swapped"
    # With two sets of patients, the test of Gail and Simon (1985, Biometrics 41:361-372) rejects
    # where the less sure of two opposite differences is sure of its side.
    least = max(own.p_difference, there.p_difference)
    if math.isnan(own.p_difference + there.p_difference):
        least = math.nan
    numbers: dict[str, float] = {}
    for name, row in (("internal", own), ("external", there)):
        numbers |= {name: row.estimate, f"{name}_low": row.low, f"{name}_high": row.high}
        numbers[f"p_{name}"] = row.p_difference
    return {
        **group.columns(),
        "a": a,
        "b": b,
        "n_cells": len(group.cells[a]),
        "n_seeds": own.n_seeds,
        **numbers,
        "order": order,
        "p_swap": least / 2 if order == "swapped" else least * 0 + 1,
        "p_kept": least if order == "kept" else least * 0 + 1,
        "conditional_on": own.conditional_on,
    }


def _judged(pairs: Sequence[Mapping[str, Any]], alpha: float) -> list[dict[str, Any]]:
    """Adjust the p-values of all pairs of a question by Holm's method, and give the verdicts."""
    swap, kept = (holm([pair[name] for pair in pairs]) for name in ("p_swap", "p_kept"))
    found = []
    for pair, p_swap, p_kept in zip(pairs, swap, kept, strict=True):
        sure = "swapped" if p_swap < alpha else "kept" if p_kept < alpha else UNDECIDED
        adjusted = {"p_swap_adjusted": float(p_swap), "p_kept_adjusted": float(p_kept)}
        found.append({**pair, **adjusted, "verdict": sure})
    return found
