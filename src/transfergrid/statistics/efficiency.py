"""How far a network may be cut without losing much: ratios of parameters, MACs and speed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from transfergrid.runtime.hashing import seeded
from transfergrid.statistics.anova import Interval
from transfergrid.statistics.basis import Answered, Basis, Question
from transfergrid.statistics.comparisons import Compared
from transfergrid.statistics.findings import NAN, Finding
from transfergrid.statistics.named import ALONE, MEAN, NO_LOSS_FOUND, NON_INFERIOR, quantity
from transfergrid.statistics.places import pooled, varying_axes, words
from transfergrid.statistics.reader import Reader
from transfergrid.statistics.scale import Scale

COSTS = {"params": "params_ratio", "macs": "macs_ratio", "images_per_second": "speed_ratio"}
RULES = {
    NON_INFERIOR: "largest cut before the first one not shown to lose less than {margin:g}",
    NO_LOSS_FOUND: "largest cut before the first one whose interval lies below 0",
}
"""Rules and how they are told, the answer first."""
NOTES = {
    NON_INFERIOR: "these networks as given; interval from the cuts that are shown to lose less "
    "than the margin to those that are not shown to lose more",
    NO_LOSS_FOUND: "measures the size of the test set: more patients or seeds find more losses; "
    "which cuts may be made is answered by non_inferior",
}
CHANGE = "; interval of the change holds at all cuts at once, so also at the one chosen"


@dataclass(frozen=True)
class Cuts:
    """The truncations of one network, from the least to the largest.

    Attributes:
        network: Name of the network.
        drops: (K,) blocks removed, rising.
        estimates: (K,) score minus that of the whole network, with the metric's sign: a loss is
            below 0.
        se: (K,) their standard errors, from patients and seeds.
        df: (K,) degrees of freedom.
        costs: By cost, (K + 1,) values; the whole network first.
        errors: (K, B) draws of the estimates' errors, the same patients for all networks.
        scale: The metric.
    """

    network: str
    drops: NDArray[np.int64]
    estimates: NDArray[np.float64]
    se: NDArray[np.float64]
    df: NDArray[np.float64]
    costs: Mapping[str, NDArray[np.float64]]
    errors: NDArray[np.float64]
    scale: Scale

    def chosen(self, rule: str, margin: float, alpha: float) -> int:
        """Return how many of the cuts a rule accepts.

        Cuts nest: one beyond a loss does not count, even if it looks harmless. Taken in this fixed
        order, the tests of `non_inferior` need no correction: a cut that loses the margin is
        accepted with probability alpha at most.

        Args:
            rule: One of `RULES`.
            margin: Loss that is too large.
            alpha: Level of the one-sided tests of `non_inferior`; for `no_loss_found` 1 minus the
                coverage of the two-sided intervals.
        """
        if rule == NO_LOSS_FOUND:
            return _run(self.estimates + self._arm(alpha / 2) >= 0)
        return _run(self.estimates - self._arm(alpha) > -margin)

    def between(self, margin: float, alpha: float) -> tuple[int, int]:
        """Return two-sided bounds for the number of cuts that truly lose less than the margin.

        The upper one goes down from the largest cut while that is shown to lose more; both
        sequences are in a fixed order, so each bound errs with probability alpha / 2 at most.
        """
        low = self.chosen(NON_INFERIOR, margin, alpha / 2)
        worse = self.estimates + self._arm(alpha / 2) < -margin
        return low, len(worse) - _run(worse[::-1])

    def ratios(self, cost: str) -> NDArray[np.float64]:
        """Return (K + 1,) how many times cheaper each cut is: smaller, or for speed faster."""
        values = self.costs[cost]
        return values / values[0] if cost == "images_per_second" else values[0] / values

    def _arm(self, level: float) -> NDArray[np.float64]:
        return np.asarray(self.se * stats.t.isf(level, self.df))


def _run(fine: NDArray[np.bool_]) -> int:
    """Return how many are true before the first that is not."""
    return int(np.logical_and.accumulate(fine).sum())


def efficiency(question: Question, basis: Basis) -> Answered:
    """Find the ratio of each network's largest harmless cut, and the mean over networks.

    The answer is the cut shown to lose less than the margin. That no loss was found says less.

    Parameters and MACs are counted in one way, for whole and cut networks alike: those of the
    network as trained, with the study's own outputs.

    Args:
        question: An efficiency question.
        basis: What it is answered from.
    """
    groups: dict[tuple[Any, ...], list[Compared]] = {}
    for one in basis.answered[question["contrast"]]:
        if "architecture" in one.place:
            key = tuple(v for k, v in one.place.items() if k != "architecture")
            groups.setdefault(key, []).append(one)
    return Answered([row for members in groups.values() for row in _rows(question, members, basis)])


def _rows(question: Question, members: Sequence[Compared], basis: Basis) -> Iterator[Finding]:
    """Yield the rows of networks that agree in all other axes."""
    varying = varying_axes(basis.reader.targets)
    place = {k: v for k, v in members[0].place.items() if k != "architecture"}
    networks = list(dict.fromkeys(one.place["architecture"] for one in members))
    cuts = [
        _cuts([m for m in members if m.place["architecture"] == name], basis) for name in networks
    ]
    # A claim about the mean network is not judged by one.
    together = MEAN if len(cuts) > 1 else ALONE
    for rule, rule_words in RULES.items():
        margin = question["margin"]
        method = rule_words.format(margin=margin)
        for (name, n), values in summaries(cuts, rule, margin, basis.alpha):
            subject = ", ".join(filter(None, (n or "mean", words(place, varying))))
            yield Finding(
                question["name"],
                question["kind"],
                subject,
                quantity(name, rule),
                *values,
                1 if n else len(cuts),
                method,
                NOTES[rule] + (CHANGE if name == "score_change" else ""),
                place=place,
                networks=n or together,
                metric=members[0].metric,
            )


def summaries(
    cuts: Sequence[Cuts], rule: str, margin: float, alpha: float
) -> Iterator[tuple[tuple[str, str], Interval]]:
    """Yield ((quantity, network or nothing for the mean), (value, low, high)).

    Args:
        cuts: The networks.
        rule: One of `RULES`; with `no_loss_found`, ratios have no interval, since they estimate
            nothing beyond this test set.
        margin: Loss that is too large.
        alpha: 1 minus the coverage, in (0, 1).
    """
    chosen = [cut.chosen(rule, margin, alpha) for cut in cuts]
    open_ended = rule == NO_LOSS_FOUND
    own = [None if open_ended else cut.between(margin, alpha) for cut in cuts]
    # The mean's bounds hold if all networks' do.
    joint = [None if open_ended else cut.between(margin, alpha / len(cuts)) for cut in cuts]
    for cut, index, ends in zip(cuts, chosen, own, strict=True):
        yield ("blocks", cut.network), _spanned(np.append(0, cut.drops), index, ends)
    for cost, name in COSTS.items():
        ratios = [cut.ratios(cost) for cut in cuts]
        for cut, values, index, ends in zip(cuts, ratios, chosen, own, strict=True):
            yield (name, cut.network), _spanned(values, index, ends)
        each = [_spanned(*parts) for parts in zip(ratios, chosen, joint, strict=True)]
        value, low, high = (float(part) for part in np.mean(each, axis=0))
        yield (name, ""), (value, low, high)
    yield ("score_change", ""), _change(cuts, chosen, alpha)


def _spanned(values: ArrayLike, index: int, ends: tuple[int, int] | None) -> Interval:
    """Return a value of the chosen cut, and its range over the cuts between two bounds."""
    values = np.asarray(values, dtype=np.float64)
    if ends is None:
        return float(values[index]), math.nan, math.nan
    there = values[ends[0] : ends[1] + 1]
    return float(values[index]), float(there.min()), float(there.max())


def _change(cuts: Sequence[Cuts], chosen: Sequence[int], alpha: float) -> Interval:
    """Return the mean change at the accepted cuts; NaN if none was accepted.

    A cut that was chosen by its estimate is one whose estimate erred upwards, so its own interval
    is too high. This one holds for every choice of cuts at once.
    """
    if not any(chosen):
        return NAN
    lost = np.mean(
        [cut.estimates[i - 1] if i else 0.0 for cut, i in zip(cuts, chosen, strict=True)]
    )
    # No cut at all is a choice too, and without error.
    over = np.mean([np.maximum(cut.errors.max(axis=0), 0) for cut in cuts], axis=0)
    under = np.mean([np.maximum(-cut.errors.min(axis=0), 0) for cut in cuts], axis=0)
    value = float(lost)
    arms = [float(np.quantile(side, 1 - alpha / 2)) for side in (over, under)]
    scale = cuts[0].scale
    low, high = max(value - arms[0], -scale.width), min(value + arms[1], scale.width)
    return (value, low, high) if scale.sign > 0 else (-value, -high, -low)


def _cuts(members: Sequence[Compared], basis: Basis) -> Cuts:
    members = sorted(members, key=lambda one: int(one.value))
    place = members[0].place
    reader = basis.reader
    scale = Scale.of(reader.metric_of(place["dataset"], members[0].metric))
    own = pooled(basis.cells[basis.cells["selection"] == reader.primary])
    for axis, value in place.items():
        own = own[own[axis] == value]
    by_drop = own[list(COSTS)].astype("float64").groupby(own["truncation"]).mean()
    drops = [int(one.value) for one in members]
    return Cuts(
        network=str(place["architecture"]),
        drops=np.array(drops),
        estimates=scale.sign * np.array([one.row.estimate for one in members]),
        se=np.array([one.row.se for one in members]),
        df=np.array([one.row.df for one in members]),
        costs={cost: by_drop[cost].reindex([0, *drops]).to_numpy(float) for cost in COSTS},
        errors=np.stack([_errors(one, reader, basis.alpha, scale) for one in members]),
        scale=scale,
    )


def _errors(one: Compared, reader: Reader, alpha: float, scale: Scale) -> NDArray[np.float64]:
    """Draw a cut's error: patients as drawn for all cells, seeds as normal, both with t's width."""
    row = one.row
    a, b = one.arms(reader)
    drawn = a.mean(axis=0) - b.mean(axis=0)
    drawn = drawn - drawn.mean()
    rng = np.random.default_rng(seeded("cut", row.question, one.key))
    if not math.isnan(row.se_seed):
        drawn = drawn + row.se_seed * rng.normal(size=drawn.shape)
    wider = stats.t.isf(alpha / 2, row.df) / stats.norm.isf(alpha / 2)
    # With hardly any degrees of freedom t is astronomical; no error exceeds twice the bound.
    most = 2 * scale.width
    drawn = drawn * (1.0 if math.isnan(wider) else float(wider))
    return np.asarray(scale.sign * np.clip(drawn, -most, most))
