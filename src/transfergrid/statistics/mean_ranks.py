"""How methods rank over data sets: a `mean_ranks` question."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transfergrid.catalog.axes import PLACE
from transfergrid.runtime.errors import listed
from transfergrid.runtime.hashing import seeded
from transfergrid.statistics.basis import Answered, Basis, Evidence, Question
from transfergrid.statistics.comparisons import arms_by_place
from transfergrid.statistics.critical import differ
from transfergrid.statistics.mixed_model import Mixed, mixed_model
from transfergrid.statistics.multiplicity import holm
from transfergrid.statistics.places import Place, key, varying_axes, words
from transfergrid.statistics.rank_tests import Ranked, rank_methods
from transfergrid.statistics.reader import Entry, Reader
from transfergrid.statistics.signed_rank import SignedRank, signed_rank, weights_of

Datasets = Mapping[str, Mapping[Any, Mapping[int, Entry]]]
"""By data set, by method, by seed, a run."""
SEVERAL = "data sets differ in metric, so that scores have no common unit"


@dataclass(frozen=True)
class Group:
    """The methods of one place, all data sets of it.

    Attributes:
        question: The question.
        place: What the cells share, the data set apart.
        methods: Values of the axis, in the order of the grid.
        datasets: Those that have a score of every method.
        metric: Names of their metrics.
        sign: 1 where a higher value of the first of them is better, -1 where a lower one is.
        scores: (n, k) a row per data set, a column per method: mean over seeds, higher better.
        runs: (N, 4) score, number of the method, number of the data set and seed of every run,
            those of incomplete data sets among them.
    """

    question: Question
    place: Place
    methods: tuple[Any, ...]
    datasets: tuple[str, ...]
    metric: tuple[str, ...]
    sign: int
    scores: NDArray[np.float64]
    runs: NDArray[np.float64]

    def columns(self) -> dict[str, Any]:
        """Return what the rows of both tables begin with."""
        return {
            "question": self.question["name"],
            "metric": "; ".join(self.metric),
            "axis": self.question["axis"],
        }

    def where(self) -> dict[str, Any]:
        """Return the columns of the place."""
        return {axis: self.place.get(axis, "") for axis in PLACE if axis != "dataset"}


@dataclass(frozen=True)
class Pair:
    """A row of rank_pairs.csv.

    Attributes:
        group: What it is about.
        a: The method with the better mean rank.
        b: The other.
        rank_difference: Mean rank of a minus that of b, <= 0.
        p_nemenyi: p-value of Nemenyi's test.
        p_conover: Of Conover's.
        p_conover_adjusted: By Holm's method.
        apart: Whether the mean ranks differ by more than the critical difference.
        bayes: Probabilities of the signed-rank test.
        mixed: Difference by the mixed model, its bounds and p-value.
        p_mixed_adjusted: By Holm's method.
        note: Why there is no mixed model, or empty.
    """

    group: Group
    a: Any
    b: Any
    rank_difference: float
    p_nemenyi: float
    p_conover: float
    p_conover_adjusted: float
    apart: bool
    bayes: SignedRank
    mixed: tuple[float, float, float, float]
    p_mixed_adjusted: float
    note: str

    def columns(self) -> dict[str, Any]:
        """Return the row of rank_pairs.csv."""
        own = ("a", "b", "rank_difference", "p_nemenyi", "p_conover", "p_conover_adjusted")
        return {
            **self.group.columns(),
            "n_datasets": len(self.group.datasets),
            **{name: getattr(self, name) for name in own},
            "verdict": "better" if self.apart else "undecided",
            "rope": self.group.question["rope"],
            "bayes_better": self.bayes.better,
            "bayes_alike": self.bayes.alike,
            "bayes_worse": self.bayes.worse,
            **dict(zip(("difference", "low", "high", "p_mixed"), self.mixed, strict=True)),
            "p_mixed_adjusted": self.p_mixed_adjusted,
            **self.group.where(),
            "note": self.note,
        }

    def evidence(self) -> Evidence:
        """Return what a claim may be judged by: the difference by the mixed model."""
        question = self.group.question
        keys = {"kind": "mean_ranks", "axis": question["axis"], "a": self.a, "b": self.b}
        keys |= {**self.group.place, "metric": "; ".join(self.group.metric)}
        keys["datasets"] = self.group.datasets
        value, low, high, _ = self.mixed
        return Evidence(keys, f"{question['name']}: {self.a} - {self.b}", value, low, high)


def mean_ranks(question: Question, basis: Basis) -> Answered:
    """Rank the methods of each place over its data sets, and compare them in pairs.

    Args:
        question: A mean_ranks question.
        basis: What it is answered from.
    """
    reader = basis.reader
    varying = varying_axes(reader.targets)
    pairs: list[Pair] = []
    rows: list[dict[str, Any]] = []
    left_out: list[str] = []
    for place, datasets in _places(question, reader):
        told = f"{question['name']}: {words(place, varying) or 'the study'}"
        group, lacking = _group(question, place, datasets, reader)
        if lacking and group is not None:
            left_out.append(f"{told} has not every method on {listed(lacking)}; it is left out.")
        if group is None:
            if len(datasets) > 1:
                left_out.append(
                    f"{told} has no two data sets with a score of every {question['axis']}; name "
                    "in where what they share, or ask in a question of its own."
                )
            continue
        ranked = rank_methods(group.scores, basis.alpha)
        mixed = _mixed(group)
        rows += _rows(group, ranked, mixed)
        pairs += _pairs(group, ranked, mixed, basis)
    return Answered(pairs, left_out, {"mean_ranks": rows})


def _places(question: Question, reader: Reader) -> Iterator[tuple[Place, Datasets]]:
    """Yield what cells share apart from data set and method, with the runs of each data set.

    Data sets may differ in their recipe as long as each has one; otherwise each recipe is a place.
    """
    found = arms_by_place(question, reader)
    rest = [name for name in PLACE if name not in ("dataset", question["axis"])]
    alone = [name for name in rest if name != "protocol"]
    recipes: dict[tuple[Any, ...], set[Any]] = {}
    for place, _ in found:
        own = tuple(place[name] for name in ("dataset", *alone))
        recipes.setdefault(own, set()).add(place.get("protocol"))
    if all(len(own) == 1 for own in recipes.values()):
        rest = alone
    groups: dict[tuple[Any, ...], dict[str, Any]] = {}
    for place, arms in found:
        groups.setdefault(tuple(place[name] for name in rest), {})[place["dataset"]] = arms
    for values, datasets in groups.items():
        yield dict(zip(rest, values, strict=True)), datasets


def _group(
    question: Question, place: Place, datasets: Datasets, reader: Reader
) -> tuple[Group | None, list[str]]:
    """Return the scores of a place, None without two whole data sets; and which lack a method."""
    methods = tuple(dict.fromkeys(method for arms in datasets.values() for method in arms))
    runs, means, signs = [], {}, []
    for number, (dataset, arms) in enumerate(datasets.items()):
        sign = 1 if reader.metric_of(dataset, question["metric"])["higher_is_better"] else -1
        signs.append(sign)
        own: dict[Any, list[float]] = {method: [] for method in methods}
        for method, by_seed in arms.items():
            for seed, run in by_seed.items():
                score = reader.influence(run["cell"], metric=question["metric"])[0].estimate
                if not math.isnan(score):
                    own[method].append(sign * score)
                    runs.append((sign * score, methods.index(method), number, seed))
        means[dataset] = [float(np.mean(own[m])) if own[m] else math.nan for m in methods]
    whole = {name: row for name, row in means.items() if not np.isnan(row).any()}
    lacking = [name for name in datasets if name not in whole]
    if len(whole) < 2 or len(methods) < 2:
        return None, lacking
    metric = tuple(
        dict.fromkeys(reader.metric_of(name, question["metric"])["name"] for name in datasets)
    )
    scores = np.array(list(whole.values()))
    group = Group(question, place, methods, tuple(whole), metric, signs[0], scores, np.array(runs))
    return group, lacking


def _mixed(group: Group) -> Mixed:
    if len(group.metric) > 1:
        return Mixed.without(np.full(len(group.methods), np.nan), 0, SEVERAL)
    return mixed_model(group.runs[:, 0], *group.runs[:, 1:].T.astype(np.int64))


def _rows(group: Group, ranked: Ranked, mixed: Mixed) -> Iterator[dict[str, Any]]:
    """Yield the rows of mean_ranks.csv, the best method first."""
    means = group.scores.mean(axis=0)
    for place in np.argsort(ranked.means, kind="stable"):
        yield {
            **group.columns(),
            "method": group.methods[place],
            "mean_rank": float(ranked.means[place]),
            "mean_score": group.sign * float(means[place]) if len(group.metric) == 1 else math.nan,
            "n_datasets": len(group.datasets),
            "n_methods": len(group.methods),
            "datasets": "; ".join(group.datasets),
            "friedman_chi2": ranked.chi2,
            "p_friedman": ranked.p_chi2,
            "iman_davenport_f": ranked.f,
            "df1": ranked.df[0],
            "df2": ranked.df[1],
            "p_iman_davenport": ranked.p_f,
            "critical_difference": ranked.critical,
            "sd_dataset": mixed.dataset_sd,
            "sd_interaction": mixed.interaction_sd,
            "sd_seed": mixed.seed_sd,
            "sd_left": mixed.left_sd,
            **group.where(),
            "note": mixed.note,
        }


def _pairs(group: Group, ranked: Ranked, mixed: Mixed, basis: Basis) -> list[Pair]:
    """Return the rows of rank_pairs.csv, in the order of the mean ranks."""
    order = np.argsort(ranked.means, kind="stable").tolist()
    places = list(itertools.combinations(order, 2))
    seed = basis.study["evaluation"]["bootstrap"]["seed"]
    drawn = seeded("signed rank", seed, group.question["name"], key(group.place))
    weights = weights_of(len(group.datasets), drawn)
    differences = [mixed.difference(a, b, basis.alpha) for a, b in places]
    conover = [float(ranked.p_conover[a, b]) for a, b in places]
    adjusted = zip(
        places, differences, conover, holm(conover), holm([d[3] for d in differences]), strict=True
    )
    return [
        Pair(
            group=group,
            a=group.methods[a],
            b=group.methods[b],
            rank_difference=float(ranked.means[a] - ranked.means[b]),
            p_nemenyi=float(ranked.p_nemenyi[a, b]),
            p_conover=p,
            p_conover_adjusted=float(by_rank),
            apart=differ(ranked.means[a], ranked.means[b], ranked.critical),
            bayes=signed_rank(
                group.scores[:, a] - group.scores[:, b], group.question["rope"], weights
            ),
            mixed=difference,
            p_mixed_adjusted=float(by_model),
            note=mixed.note,
        )
        for (a, b), difference, p, by_rank, by_model in adjusted
    ]
