"""What is reused of pretrained features, as far as similarities tell (after Raghu et al. 2019).

Three comparisons of Transfusion: trained networks from drawn weights with each other and with
transferred ones; each layer before against after; and similarity at the start against similarity
after training. Where a study compares its networks, they are there unasked.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from transfergrid.planning.claims import counts
from transfergrid.planning.state_pairs import FINAL, INITIAL
from transfergrid.statistics.anova import Interval
from transfergrid.statistics.basis import Answered, Basis, Question
from transfergrid.statistics.bounded import mean_of
from transfergrid.statistics.correlation import fisher_interval
from transfergrid.statistics.findings import Finding
from transfergrid.statistics.places import blocks, place_of_pair, varying_axes, words

MEASURES = ("mean_cca", "cka_debiased")
"""The measure of the paper, and one whose floor is near 0."""
ENDS = 2
"""Layers that are averaged: the last two before the output, or the first two."""
FEWEST_LAYERS, FEWEST_NETWORKS = 4, 4
"""With fewer points a correlation says nothing."""
POOLED = "pooled"
_PLACE = ["dataset", "architecture", "truncation"]
_SEEDS = ("left_seed", "right_seed")


def reuse(question: Question, basis: Basis) -> Answered:
    """Make the three comparisons wherever a study's pairs allow them.

    Args:
        question: Stands for one that no study asks.
        basis: What it is answered from; the study's claims say which cells the paper's values are
            set beside.
    """
    table = basis.compared.get("similarity", pd.DataFrame())
    if table.empty:
        return Answered([])
    table = table[table["measure"].isin(MEASURES) & (table["layer"] != POOLED)]
    found = list(_measured(question, basis, table))
    found += _sizes(question, basis, found)
    return Answered([*found, *_published(question, basis, table)])


def _measured(question: Question, basis: Basis, table: pd.DataFrame) -> Iterator[Finding]:
    """Yield the three comparisons of each place and measure."""
    for key, rows in table.groupby([*_PLACE, "measure"], sort=False):
        place = dict(zip([*_PLACE, "measure"], key, strict=True))
        for more, quantity, number, method in (
            *_against_chance(rows, basis),
            *_from_the_start(rows, basis),
            *_kept(rows),
        ):
            yield _finding(question, basis, {**place, **more}, quantity, number, method)


Told = tuple[dict[str, Any], str, Interval, str]
"""Place, quantity, value and method."""


def _against_chance(rows: pd.DataFrame, basis: Basis) -> Iterator[Told]:
    """Compare trained networks from drawn weights with each other and with transferred ones."""
    after = _ends(rows[rows["left_state"] == FINAL], last=True)
    across = after[after["pair"] == "random"]
    for (drawn, source, protocol), transfer in across.groupby(
        ["left_pretraining", "right_pretraining", "left_protocol"], sort=False
    ):
        seeds = after[(after["pair"] == "seeds") & (after["left_pretraining"] == drawn)]
        seeds = seeds[seeds["left_protocol"] == protocol]
        place = {"pretraining": source, "protocol": protocol}
        told = f"last {ENDS} blocks after training, mean over pairs of networks:"
        yield place, "random_transfer", _mean(transfer), f"{told} {len(transfer)}"
        if len(seeds):
            yield place, "random_random", _mean(seeds), f"{told} {len(seeds)}"
            number, method = without_each_seed(seeds, transfer, basis.alpha)
            yield place, "random_random_minus_transfer", number, method


def without_each_seed(
    same: pd.DataFrame, across: pd.DataFrame, alpha: float
) -> tuple[Interval, str]:
    """Return the mean over pairs of seeds minus that over pairs of arms, with an interval.

    Seeds are left out in turn, with every pair that they are in, because pairs share networks.

    Args:
        same: Pairs of two seeds: ``left_seed``, ``right_seed``, ``value``.
        across: Pairs of two arms of one seed.
        alpha: 1 minus the coverage, in (0, 1).

    Returns:
        The difference with Student's t interval, NaN with fewer than three seeds; and how.
    """
    numbers = sorted(
        {int(s) for rows in (same, across) for s in rows["left_seed"].dropna()}
        | {int(s) for s in same["right_seed"].dropna()}
    )
    value = float(same["value"].mean() - across["value"].mean())
    left = []
    for seed in numbers:
        parts = [rows[(rows[list(_SEEDS)] != seed).all(axis=1)] for rows in (same, across)]
        if all(len(part) for part in parts):
            left.append(float(parts[0]["value"].mean() - parts[1]["value"].mean()))
    count = len(left)
    if count < 3 or count < len(numbers):
        return (value, math.nan, math.nan), "difference; an interval takes three seeds"
    spread = (count - 1) / count * float(((np.array(left) - np.mean(left)) ** 2).sum())
    arm = float(stats.t.ppf(1 - alpha / 2, count - 1)) * math.sqrt(spread)
    told = f"jackknife over {count} seeds, with every pair that a seed is in; Student's t"
    return (value, value - arm, value + arm), told


def _from_the_start(rows: pd.DataFrame, basis: Basis) -> Iterator[Told]:
    """Correlate similarity at the start with similarity after training, over layers."""
    pairs = rows[rows["pair"] == "random"]
    start = pairs[pairs["left_state"] == INITIAL]
    end = pairs[pairs["left_state"] == FINAL]
    arms = ["left_pretraining", "right_pretraining"]
    for (drawn, source, protocol), own in end.groupby([*arms, "left_protocol"], sort=False):
        before = start[
            (start["left_pretraining"] == drawn) & (start["right_pretraining"] == source)
        ]
        # Of folds, the mean: a layer is one point, however often it was measured.
        same, values = ["left_seed", "layer"], ["value_start", "value_end"]
        both = before.merge(own, on=["fold", *same], suffixes=("_start", "_end"))
        both = both.dropna(subset=values).groupby(same, sort=False)[values].mean().reset_index()
        found = [
            (float(np.corrcoef(one["value_start"], one["value_end"])[0, 1]), len(one))
            for _, one in both.groupby("left_seed")
            if len(one) >= FEWEST_LAYERS
            and one["value_start"].nunique() > 1
            and one["value_end"].nunique() > 1
        ]
        if found:
            number = mean_correlation([r for r, _ in found], basis.alpha)
            layers = max(count for _, count in found)
            told = f"Pearson's r over {layers} blocks, mean over {len(found)} seeds by Fisher's z"
            place = {"pretraining": source, "protocol": protocol}
            yield place, "start_end_correlation", number, told


def mean_correlation(values: Sequence[float], alpha: float) -> Interval:
    """Return the mean of correlations of independent runs by Fisher's z, with its t interval.

    Args:
        values: A correlation for each run.
        alpha: 1 minus the coverage, in (0, 1).

    Returns:
        The mean, and bounds; NaN with one run.
    """
    z = np.arctanh(np.clip(values, -1 + 1e-12, 1 - 1e-12))
    middle = float(z.mean())
    if len(z) < 2:
        return math.tanh(middle), math.nan, math.nan
    arm = float(stats.t.ppf(1 - alpha / 2, len(z) - 1) * stats.sem(z))
    return math.tanh(middle), math.tanh(middle - arm), math.tanh(middle + arm)


def _kept(rows: pd.DataFrame) -> Iterator[Told]:
    """Say how alike the lowest layers, and the others, are before and after training."""
    own = rows[rows["pair"] == "before_after"]
    for (source, protocol), part in own.groupby(
        ["right_pretraining", "right_protocol"], sort=False
    ):
        place = {"pretraining": source, "protocol": protocol}
        lowest, there = part["depth"].min() + ENDS, part[part["value"].notna()]
        low, high = there[there["depth"] < lowest], there[there["depth"] >= lowest]
        for name, layers in (("kept_lowest", low), ("kept_above", high)):
            if len(layers):
                told = f"mean over {blocks(layers['layer'].nunique())}; bounds: means of their own"
                yield place, name, mean_of(layers), told


def _sizes(question: Question, basis: Basis, found: Sequence[Finding]) -> Iterator[Finding]:
    """Correlate what the lowest layers keep with the size of whole networks, over networks."""
    whole = [one for one in found if one.quantity == "kept_lowest" and not one.place["truncation"]]
    cells = basis.cells[basis.cells["params"].notna()]
    params = cells.groupby(_PLACE)["params"].mean().to_dict()
    groups: dict[tuple[Any, ...], list[tuple[float, float]]] = {}
    for one in whole:
        at = tuple(one.place[axis] for axis in _PLACE)
        key = (
            one.place["dataset"],
            one.place["pretraining"],
            one.place["protocol"],
            one.also["measure"],
        )
        if at in params and not math.isnan(one.value):
            groups.setdefault(key, []).append((params[at], one.value))
    for (dataset, pretraining, protocol, measure), points in groups.items():
        if len(points) < FEWEST_NETWORKS:
            continue
        ends = np.array(points)
        rho = float(stats.spearmanr(ends[:, 0], ends[:, 1]).statistic)
        number = (rho, *fisher_interval(rho, len(points), basis.alpha))
        place = {"dataset": dataset, "pretraining": pretraining, "protocol": protocol}
        place |= {"truncation": 0, "measure": measure}
        told = "Spearman's rho with parameters, whole networks taken for independent; Fisher's z"
        yield _finding(
            question, basis, place, "kept_lowest_against_size", number, told, len(points)
        )


def _published(question: Question, basis: Basis, table: pd.DataFrame) -> Iterator[Finding]:
    """Set the paper's values beside those of ours that count, where a study judges its claims."""
    asked = basis.study["claims"]
    if not asked.get("similarities"):
        return
    # Drawn weights, with which all are compared, need not count: a finding's place is its source's.
    wanted = {axis: value for axis, value in asked["where"].items() if axis != "pretraining"}
    there = [counts(place_of_pair(row), wanted) for row in table.to_dict("records")]
    for one in _measured(question, basis, table.loc[there]):
        at = next((row for row in asked["similarities"] if _is_of(row, one)), None)
        arm = one.place["pretraining"]
        if at is None or asked["stands_for"].get(arm, arm) != "imagenet":
            continue
        if not counts(one.place, asked["where"]):
            continue
        value, place = float(at["value"]), {**one.place, "measure": at["quantity"]}
        note = f"{at['provenance']} (+-{at['error']}), on other data: {at['source']}"
        for quantity, number, told in (
            (f"paper_{one.quantity}", value, "read off the paper's figure"),
            (f"ours_minus_paper_{one.quantity}", one.value - value, f"ours {one.value:.4f}"),
        ):
            bounded = (number, math.nan, math.nan)
            yield _finding(question, basis, place, quantity, bounded, told, note=note)


def _is_of(row: Mapping[str, str], one: Finding) -> bool:
    """Tell whether a value of the paper's is of a whole network, a pair and a measure of ours."""
    # Pinned (resnet50.a1_in1k) it is the same network; cbr_tiny_32 and resnet50_slim3 are others.
    network, _, _ = str(one.place.get("architecture", "")).partition(".")
    return (
        network == row["network"]
        and one.place["truncation"] == 0
        and (one.quantity, one.also["measure"]) == (row["pair"], row["quantity"])
    )


def _finding(
    question: Question,
    basis: Basis,
    place: Mapping[str, Any],
    quantity: str,
    number: Interval,
    method: str,
    n: int = 1,
    note: str = "",
) -> Finding:
    own = {axis: value for axis, value in place.items() if axis != "measure"}
    subject = words(own, varying_axes(basis.reader.targets) | {"pretraining"})
    return Finding(
        question["name"],
        question["kind"],
        ", ".join(filter(None, [str(place["measure"]), subject])),
        quantity,
        *number,
        n=n,
        method=method,
        note=note,
        metric=basis.study["primary_metric"][place["dataset"]],
        place=own,
        also={"measure": place["measure"]},
    )


def _ends(rows: pd.DataFrame, last: bool) -> pd.DataFrame:
    """Return the mean over the last (or first) layers of each pair of states."""
    deepest = rows["depth"].max() if last else rows["depth"].min()
    near = (rows["depth"] - deepest).abs() < ENDS
    own = ["pair", "left", "right", "left_pretraining", "right_pretraining", "left_protocol"]
    kept = rows[near].dropna(subset=["value"])
    return kept.groupby([*own, *_SEEDS], sort=False, dropna=False)["value"].mean().reset_index()


def _mean(rows: pd.DataFrame) -> Interval:
    return float(rows["value"].mean()), math.nan, math.nan
