"""Family and seed noise from made-up tables, against one_way and scipy on the same numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats
from statsmodels.stats.power import TTestIndPower
from unit.statistics.made_up_reader import reader_of

from transfergrid.metrics.influence import Influence
from transfergrid.statistics.anova import one_way
from transfergrid.statistics.basis import Basis
from transfergrid.statistics.family import families, family_difference
from transfergrid.statistics.findings import Finding
from transfergrid.statistics.seed_noise import seed_noise

FAMILIES = {"a": ("hand", 4), "b": ("hand", 3), "c": ("searched", 3), "d": ("searched", 2)}
QUESTION = {"name": "q", "kind": "family", "metric": None, "where": {}, "groups": None}
WHERE = {"dataset": "films", "pretraining": "random", "truncation": 0, "protocol": "p"}


def made(seeds: int = 3, seed_sd: float = 0.01) -> tuple[dict[str, Any], pd.DataFrame]:
    rng = np.random.default_rng(0)
    rows, entries = [], []
    for shift, (family, (_, members)) in enumerate(FAMILIES.items()):
        for member in range(members):
            name = f"{family}{member}"
            base = 0.7 + 0.03 * shift + 0.01 * member + 0.004 * rng.normal()
            for seed in range(seeds):
                kin = {"cell": f"{name}-{seed}", "architecture": name, "family": family}
                entries.append({**kin, **WHERE, "role": "target"})
                rows.append(
                    {
                        "cell": f"{name}-{seed}",
                        "architecture": name,
                        **WHERE,
                        "seed": seed,
                        "selection": "best",
                        "params": 10.0 ** (5 + member),
                        "score": base + seed_sd * rng.normal(),
                    }
                )
    study = {"cells": entries, "evaluation": {"primary": "best"}}
    return study, pd.DataFrame(rows)


def basis_of(study: dict[str, Any], cells: pd.DataFrame) -> Basis:
    """Return a basis whose patients leave no doubt, so that seeds are all the noise."""
    patients = np.arange(50)
    aurocs = dict(zip(cells["cell"], cells["score"], strict=True))
    runs = {cell: Influence(auroc, patients, np.zeros(50)) for cell, auroc in aurocs.items()}
    draws = {cell: np.full(20, auroc) for cell, auroc in aurocs.items()}
    reader = reader_of(study["cells"], runs, draws)
    return Basis(study, cells, reader, 0.05)


def by_quantity(found: Any) -> dict[str, Finding]:
    return {one.quantity: one for one in found.rows}


def test_family_and_size_shares() -> None:
    study, cells = made()
    groups = {"hand": ["a", "b"], "searched": ["c", "d"]}
    found = by_quantity(families({**QUESTION, "groups": groups}, basis_of(study, cells)))
    points = cells.groupby("architecture")[["score", "params"]].mean()
    points["family"] = [name[0] for name in points.index]
    points["size"] = np.log10(points["params"])
    layout = one_way(points["score"], points["family"])
    assert layout is not None
    share = found["family_share"]
    assert (share.value, share.low, share.high) == pytest.approx(layout.share())
    assert (share.n, share.subject) == (12, "all networks")
    r = stats.pearsonr(points["size"], points["score"])
    size = found["size_share"]
    assert size.value == pytest.approx(r.statistic**2)
    ends = r.confidence_interval()
    # Networks of one family are alike, so the interval is wider than that of twelve networks.
    assert size.low <= (0 if ends.low < 0 else ends.low**2)
    assert size.high > max(ends.low**2, ends.high**2)
    # Within families: the part of what families leave over that size explains.
    without = smf.ols("score ~ C(family)", points).fit()
    both = smf.ols("score ~ C(family) + size", points).fit()
    partial = (without.ssr - both.ssr) / without.ssr
    within = found["size_share_within"]
    assert within.value == pytest.approx(partial)
    # Twelve networks, three degrees of freedom lost to the families.
    high = np.tanh(np.arctanh(np.sqrt(partial)) + stats.norm.isf(0.025) / np.sqrt(12 - 3 - 3))
    assert within.high == pytest.approx(high**2)
    means = points.groupby("family")["score"].mean()
    welch = stats.ttest_ind(means[["a", "b"]], means[["c", "d"]], equal_var=False)
    difference = found["hand_minus_searched"]
    interval = welch.confidence_interval()
    assert difference.value == pytest.approx(means[["a", "b"]].mean() - means[["c", "d"]].mean())
    assert (difference.low, difference.high) == pytest.approx((interval.low, interval.high))
    assert "2 families against 2" in difference.method and "not be below 0.33" in difference.method
    assert {one.n_families for one in found.values()} == {4}


def test_the_share_between_families_without_the_seeds_noise() -> None:
    # Families and networks differ as much; seeds blur networks, so the raw share is too small.
    study, cells = made(seeds=2, seed_sd=0.05)
    found = by_quantity(families(QUESTION, basis_of(study, cells)))
    raw, freed = found["family_share"], found["family_share_disattenuated"]
    points = cells.groupby("architecture")["score"]
    layout = one_way(points.mean(), [name[0] for name in points.mean().index])
    assert layout is not None
    between = (layout.mean_square_between - layout.mean_square_within) / layout.size
    rest = max(0.0, layout.mean_square_within - points.var().mean() / 2)
    assert freed.value == pytest.approx(between / (between + rest))
    assert freed.value > raw.value and freed.high >= raw.high
    study, cells = made(seed_sd=0)
    found = by_quantity(families(QUESTION, basis_of(study, cells)))
    raw, freed = found["family_share"], found["family_share_disattenuated"]
    assert (freed.value, freed.low, freed.high) == pytest.approx(
        (raw.value, raw.low, raw.high), abs=0.015
    )


def test_related_networks_are_not_taken_for_independent_ones() -> None:
    rng = np.random.default_rng(0)
    names = np.repeat(list("abcdef"), [4, 3, 2, 1, 4, 2])
    shift = dict(zip("abcdef", range(6), strict=True))
    place = np.array([shift[name] for name in names])
    hits = networks = 0
    for _ in range(500):
        auroc = math.sqrt(0.8) * rng.normal(size=6)[place] + math.sqrt(0.2) * rng.normal(size=16)
        (_, low, high), _ = family_difference(auroc, list(names), ("abc", "def"), 0.05)
        hits += low <= 0 <= high
        sides = np.isin(names, list("abc"))
        plain = stats.ttest_ind(auroc[sides], auroc[~sides], equal_var=False)
        networks += plain.pvalue >= 0.05
    assert hits / 500 >= 0.94
    assert networks / 500 < 0.8  # what it was over networks


def test_too_few_families_for_an_interval_are_told() -> None:
    auroc, names = np.array([0.8, 0.7, 0.6, 0.5]), ["a", "b", "b", "c"]
    (value, low, high), how = family_difference(auroc, names, (["a"], ["b", "c"]), 0.05)
    assert value == pytest.approx(0.8 - (0.65 + 0.5) / 2) and math.isnan(low) and math.isnan(high)
    assert how.startswith("1 families against 2, too few for an interval")


def test_one_network_a_family_has_no_share_and_says_why() -> None:
    study, cells = made()
    cells = cells[cells["architecture"].isin(["a0", "b0", "c0"])]
    found = by_quantity(families(QUESTION, basis_of(study, cells)))
    assert math.isnan(found["family_share"].value)
    assert "two families, one of them with two networks" in found["family_share"].note


def test_seed_noise_is_pooled_over_networks() -> None:
    study, cells = made(seeds=5)
    question = {
        "name": "n",
        "kind": "seed_noise",
        "axis": "architecture",
        "metric": None,
        "contrast": None,
        "where": {},
    }
    found = by_quantity(seed_noise(question, basis_of(study, cells)))
    pooled = math.sqrt(cells.groupby("architecture")["score"].var().mean())
    assert found["seed_sd"].value == pytest.approx(pooled)
    means = cells.groupby("architecture")["score"].mean()
    signal = math.sqrt(means.var() - pooled**2 / 5)
    noise = found["noise_to_signal"]
    assert found["network_sd"].value == pytest.approx(signal)
    assert noise.value == pytest.approx(pooled / signal)
    assert noise.low < noise.value < noise.high
    assert (noise.n, noise.kind) == (12, "seed_noise")
    gap = np.median(np.diff(np.sort(means)))
    wanted = TTestIndPower().solve_power(gap / pooled, power=0.8, alpha=0.05)
    trials = found["trials_for_neighbours"]
    assert trials.value == math.ceil(wanted)
    assert trials.low < trials.value < trials.high


def test_seed_noise_of_another_axis_is_pooled_over_its_values() -> None:
    study, cells = made(seeds=5)
    names = dict(zip(cells["architecture"].unique(), range(12), strict=True))
    turned = cells.assign(truncation=cells["architecture"].map(names), architecture="net")
    asked = {"name": "n", "kind": "seed_noise", "metric": None, "contrast": None, "where": {}}
    plain = by_quantity(seed_noise({**asked, "axis": "architecture"}, basis_of(study, cells)))
    found = by_quantity(seed_noise({**asked, "axis": "truncation"}, basis_of(study, turned)))
    assert found["method_sd"].value == plain["network_sd"].value
    assert found["trials_for_neighbours"].value == plain["trials_for_neighbours"].value
    assert (found["seed_sd"].n, found["seed_sd"].n_families) == (12, 0)
    assert "values of truncation" in found["seed_sd"].note


def test_seeds_of_one_network_spread_without_a_second_one() -> None:
    study, cells = made(seeds=5)
    one = cells[cells["architecture"] == cells["architecture"].iloc[0]]
    asked = {"name": "n", "kind": "seed_noise", "metric": None, "contrast": None, "where": {}}
    found = by_quantity(seed_noise({**asked, "axis": "architecture"}, basis_of(study, one)))
    sd, square = found["seed_sd"], one["score"].var()
    assert sd.value == pytest.approx(math.sqrt(square))
    ends = np.sqrt(4 * square / stats.chi2.ppf([0.975, 0.025], 4))
    assert (sd.low, sd.high) == pytest.approx(tuple(ends))
    assert (sd.n, sd.note) == (1, "of this one alone; seeds as a sample")
    assert math.isnan(found["network_sd"].value) and "two networks" in found["network_sd"].note


def test_one_seed_gives_no_noise() -> None:
    study, cells = made(seeds=1)
    question = {
        "name": "n",
        "kind": "seed_noise",
        "axis": "architecture",
        "metric": None,
        "contrast": None,
        "where": {},
    }
    found = by_quantity(seed_noise(question, basis_of(study, cells)))
    gap = found.pop("neighbour_gap").value
    assert gap == pytest.approx(np.median(np.diff(np.sort(cells["score"]))))
    assert all(math.isnan(one.value) for one in found.values())
    assert "two seeds" in found["seed_sd"].note
