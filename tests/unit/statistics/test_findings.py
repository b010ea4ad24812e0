"""Family and seed noise from made-up tables, against one_way and scipy on the same numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats

from transfergrid.statistics.anova import one_way
from transfergrid.statistics.comparisons import Basis
from transfergrid.statistics.findings import Finding, families, seed_noise

FAMILIES = {"a": ("hand", 4), "b": ("hand", 3), "c": ("searched", 3), "d": ("searched", 2)}
QUESTION = {"name": "q", "kind": "family", "where": {}, "groups": None}


def made(seeds: int = 3, seed_sd: float = 0.01) -> tuple[dict[str, Any], pd.DataFrame]:
    rng = np.random.default_rng(0)
    rows, entries = [], []
    for shift, (family, (_, members)) in enumerate(FAMILIES.items()):
        for member in range(members):
            name = f"{family}{member}"
            entries.append({"architecture": name, "family": family})
            base = 0.7 + 0.03 * shift + 0.01 * member + 0.004 * rng.normal()
            for seed in range(seeds):
                rows.append(
                    {
                        "dataset": "films",
                        "architecture": name,
                        "pretraining": "random",
                        "truncation": 0,
                        "protocol": "p",
                        "seed": seed,
                        "selection": "best",
                        "params": 10.0 ** (5 + member),
                        "auroc": base + seed_sd * rng.normal(),
                    }
                )
    study = {"cells": entries, "evaluation": {"primary": "best"}}
    return study, pd.DataFrame(rows)


def basis_of(study: dict[str, Any], cells: pd.DataFrame) -> Basis:
    reader: Any = None  # asked for contrasts only
    return Basis(study, cells, [], reader, 0.05)


def by_quantity(found: Any) -> dict[str, Finding]:
    return {one.quantity: one for one in found}


def test_family_and_size_shares() -> None:
    study, cells = made()
    groups = {"hand": ["a", "b"], "searched": ["c", "d"]}
    found = by_quantity(families({**QUESTION, "groups": groups}, basis_of(study, cells)))
    points = cells.groupby("architecture")[["auroc", "params"]].mean()
    points["family"] = [name[0] for name in points.index]
    points["size"] = np.log10(points["params"])
    layout = one_way(points["auroc"], points["family"])
    assert layout is not None
    share = found["family_share"]
    assert (share.value, share.low, share.high) == layout.share()
    assert (share.n, share.subject) == (12, "random drop0 films")
    r = stats.pearsonr(points["size"], points["auroc"])
    size = found["size_share"]
    assert size.value == pytest.approx(r.statistic**2)
    ends = r.confidence_interval()
    if ends.low < 0 < ends.high:
        assert size.low == 0
    assert size.high == pytest.approx(max(ends.low**2, ends.high**2))
    # Within families: the part of what families leave over that size explains.
    without = smf.ols("auroc ~ C(family)", points).fit()
    both = smf.ols("auroc ~ C(family) + size", points).fit()
    partial = (without.ssr - both.ssr) / without.ssr
    within = found["size_share_within"]
    assert within.value == pytest.approx(partial)
    # Twelve networks, three degrees of freedom lost to the families.
    high = np.tanh(np.arctanh(np.sqrt(partial)) + stats.norm.isf(0.025) / np.sqrt(12 - 3 - 3))
    assert within.high == pytest.approx(high**2)
    hand = points["family"].isin(["a", "b"])
    welch = stats.ttest_ind(points["auroc"][hand], points["auroc"][~hand], equal_var=False)
    difference = found["hand_minus_searched"]
    interval = welch.confidence_interval()
    assert difference.value == pytest.approx(
        points["auroc"][hand].mean() - points["auroc"][~hand].mean()
    )
    assert (difference.low, difference.high) == pytest.approx((interval.low, interval.high))


def test_one_network_a_family_has_no_share_and_says_why() -> None:
    study, cells = made()
    cells = cells[cells["architecture"].isin(["a0", "b0", "c0"])]
    found = by_quantity(families(QUESTION, basis_of(study, cells)))
    assert math.isnan(found["family_share"].value)
    assert "two families, one of them with two networks" in found["family_share"].note


def test_seed_noise_is_pooled_over_networks() -> None:
    study, cells = made(seeds=5)
    question = {"name": "n", "kind": "seed_noise", "contrast": None, "where": {}}
    found = by_quantity(seed_noise(question, basis_of(study, cells)))
    pooled = math.sqrt(cells.groupby("architecture")["auroc"].var().mean())
    assert found["seed_sd"].value == pytest.approx(pooled)
    means = cells.groupby("architecture")["auroc"].mean()
    signal = math.sqrt(means.var() - pooled**2 / 5)
    noise = found["noise_to_signal"]
    assert found["network_sd"].value == pytest.approx(signal)
    assert noise.value == pytest.approx(pooled / signal)
    assert noise.low < noise.value < noise.high
    assert (noise.n, noise.kind) == (12, "seed_noise")


def test_one_seed_gives_no_noise() -> None:
    study, cells = made(seeds=1)
    question = {"name": "n", "kind": "seed_noise", "contrast": None, "where": {}}
    found = by_quantity(seed_noise(question, basis_of(study, cells)))
    assert all(math.isnan(one.value) for one in found.values())
    assert "two seeds" in found["seed_sd"].note
