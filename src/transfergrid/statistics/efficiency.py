"""How much smaller a network may be cut without a loss: ratios of parameters, MACs and speed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from transfergrid.runtime.hashing import seeded
from transfergrid.statistics.anova import Interval
from transfergrid.statistics.comparisons import Basis, Compared
from transfergrid.statistics.findings import NAN, Finding
from transfergrid.statistics.places import words
from transfergrid.statistics.reader import Reader
from transfergrid.statistics.replicates import percentile_interval, two_level

COSTS = {"params": "params_ratio", "macs": "macs_ratio", "images_per_second": "speed_ratio"}
RULES = {
    "no_loss_found": "largest cut before the first one whose interval lies below 0",
    "non_inferior": "largest cut before the first one not shown to lose less than {margin:g}",
}
GIVEN = "these networks as given; interval over patients and seeds, the cut chosen anew each time"


@dataclass(frozen=True)
class Cuts:
    """The truncations of one network, from the least to the largest.

    Attributes:
        network: Name of the network.
        drops: (K,) blocks removed, rising.
        estimates: (K,) AUROC minus that of the whole network.
        arms: (K,) half widths of the two-sided intervals.
        one_sided: (K,) half widths of the one-sided bounds.
        costs: By cost, (K + 1,) values; the whole network first.
        replicates: (K, B) of the estimates.
    """

    network: str
    drops: NDArray[np.int64]
    estimates: NDArray[np.float64]
    arms: NDArray[np.float64]
    one_sided: NDArray[np.float64]
    costs: Mapping[str, NDArray[np.float64]]
    replicates: NDArray[np.float64]

    def chosen(self, rule: str, margin: float, estimates: ArrayLike) -> NDArray[np.int64]:
        """Return how many of the cuts a rule accepts, for (K,) or (K, B) estimates."""
        d = np.asarray(estimates, dtype=np.float64)
        shape = (-1,) + (1,) * (d.ndim - 1)
        if rule == "no_loss_found":
            fine = d + self.arms.reshape(shape) >= 0
        else:
            fine = d - self.one_sided.reshape(shape) > -margin
        # Cuts nest: one beyond a loss does not count, even if it looks harmless.
        return np.asarray(np.logical_and.accumulate(fine, axis=0).sum(axis=0))

    def ratio(self, cost: str, index: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return how many times cheaper the cut is: smaller, or for speed faster."""
        values = self.costs[cost]
        speed = cost == "images_per_second"
        return np.asarray(values[index] / values[0] if speed else values[0] / values[index])


def efficiency(question: Mapping[str, Any], basis: Basis) -> Iterator[Finding]:
    """Yield the ratio of each network's largest harmless cut, and the mean over networks.

    One counting rule: parameters and MACs are those of the network as trained, with the study's
    own outputs, of whole and cut network alike.

    Args:
        question: An efficiency question.
        basis: What it is answered from.
    """
    groups: dict[tuple[Any, ...], list[Compared]] = {}
    for one in basis.compared:
        if one.question["name"] == question["contrast"] and "architecture" in one.place:
            key = tuple(v for k, v in one.place.items() if k != "architecture")
            groups.setdefault(key, []).append(one)
    for members in groups.values():
        place = {k: v for k, v in members[0].place.items() if k != "architecture"}
        networks = list(dict.fromkeys(one.place["architecture"] for one in members))
        cuts = [
            _cuts([m for m in members if m.place["architecture"] == name], basis)
            for name in networks
        ]
        # A claim about the mean network is not judged by one.
        together = "mean" if len(cuts) > 1 else "alone"
        for rule, rule_words in RULES.items():
            margin = question["margin"]
            method = rule_words.format(margin=margin)
            for quantity, values in _summaries(cuts, rule, margin, basis.alpha):
                name, n = quantity
                subject = f"{n} {words(place)}" if n else f"mean, {words(place)}"
                yield Finding(
                    question["name"],
                    question["kind"],
                    subject,
                    f"{name}_{rule}",
                    *values,
                    1 if n else len(cuts),
                    method,
                    GIVEN,
                    place={**place, "networks": n or together},
                )


def _summaries(
    cuts: Sequence[Cuts], rule: str, margin: float, alpha: float
) -> Iterator[tuple[tuple[str, str], Interval]]:
    """Yield ((quantity, network or nothing for the mean), (value, low, high))."""
    chosen = [cut.chosen(rule, margin, cut.estimates) for cut in cuts]
    drawn = [cut.chosen(rule, margin, cut.replicates) for cut in cuts]
    for cut, index, draws in zip(cuts, chosen, drawn, strict=True):
        drops = np.append(0, cut.drops)
        blocks = float(drops[index]), *percentile_interval(drops[draws], alpha)
        yield ("blocks", cut.network), blocks
    for cost, name in COSTS.items():
        ratios = [cut.ratio(cost, index) for cut, index in zip(cuts, chosen, strict=True)]
        spread = [cut.ratio(cost, draws) for cut, draws in zip(cuts, drawn, strict=True)]
        for cut, ratio, others in zip(cuts, ratios, spread, strict=True):
            yield (name, cut.network), (float(ratio), *percentile_interval(others, alpha))
        means = np.mean(spread, axis=0)
        yield (name, ""), (float(np.mean(ratios)), *percentile_interval(means, alpha))
    yield ("auroc_change", ""), _change(cuts, [int(index) for index in chosen], alpha)


def _change(cuts: Sequence[Cuts], chosen: Sequence[int], alpha: float) -> Interval:
    """Return what the accepted cuts change, the choice as made; NaN if none was accepted."""
    if not any(chosen):
        return NAN
    at = list(zip(cuts, chosen, strict=True))
    lost = np.mean([cut.estimates[i - 1] if i else 0.0 for cut, i in at])
    whole = np.zeros(cuts[0].replicates.shape[1])
    draws = np.mean([cut.replicates[i - 1] if i else whole for cut, i in at], axis=0)
    return float(lost), *percentile_interval(draws, alpha)


def _cuts(members: Sequence[Compared], basis: Basis) -> Cuts:
    members = sorted(members, key=lambda one: int(one.value))
    place = members[0].place
    reader, alpha = basis.reader, basis.alpha
    own = basis.cells[basis.cells["selection"] == reader.primary]
    for axis, value in place.items():
        own = own[own[axis] == value]
    by_drop = own[list(COSTS)].astype("float64").groupby(own["truncation"]).mean()
    drops = [int(one.value) for one in members]
    se = np.array([one.row.se for one in members])
    df = np.array([one.row.df for one in members])
    return Cuts(
        network=str(place["architecture"]),
        drops=np.array(drops),
        estimates=np.array([one.row.estimate for one in members]),
        arms=se * stats.t.isf(alpha / 2, df),
        one_sided=se * stats.t.isf(alpha, df),
        costs={cost: by_drop[cost].reindex([0, *drops]).to_numpy(float) for cost in COSTS},
        replicates=np.stack([_replicates(one, reader) for one in members]),
    )


def _replicates(one: Compared, reader: Reader) -> NDArray[np.float64]:
    rng = np.random.default_rng(seeded("two-level", one.row.question, one.row.contrast))
    return two_level(*one.arms(reader), rng)
