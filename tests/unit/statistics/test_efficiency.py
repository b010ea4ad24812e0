from __future__ import annotations

import csv
import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from unit.statistics.scales import AUROC

from transfergrid.planning.metrics import built_in
from transfergrid.planning.paths import RESOURCES
from transfergrid.statistics import efficiency as module
from transfergrid.statistics.basis import Basis
from transfergrid.statistics.comparisons import Compared
from transfergrid.statistics.efficiency import COSTS, Cuts, _cuts, _errors, efficiency, summaries

HARMLESS = {"densenet121": 1, "mnasnet_100": 1, "resnet18": 1, "efficientnet_b0": 2}
"""Largest cut without a significant loss that the published mean is over."""


def cut(
    estimates: list[float], arm: float = 0.004, costs: list[float] | None = None, spread: float = 0
) -> Cuts:
    """Make cuts whose two-sided intervals have half the width `arm`, and one-sided .84 of it."""
    count = len(estimates)
    values = np.array(costs or [8.0 / 2**k for k in range(count + 1)])
    rng = np.random.default_rng(0)
    return Cuts(
        "net",
        np.arange(1, count + 1),
        np.array(estimates),
        np.full(count, arm / stats.norm.isf(0.025)),
        np.full(count, 1e9),
        {cost: values for cost in COSTS},
        spread * rng.normal(size=(count, 4000)),
        AUROC,
    )


@pytest.mark.parametrize(
    ("estimates", "found", "shown"),
    [
        ([0.0, 0.0, -0.05], 2, 2),
        ([-0.008, 0.0, 0.0], 0, 0),  # a loss ends it, whatever comes after
        ([-0.003, -0.02], 1, 1),
        ([0.0, -0.0075], 1, 1),
        ([-0.0065], 0, 1),  # a loss, yet surely a small one: that bound is one-sided
    ],
)
def test_the_largest_cut_before_a_loss(estimates: list[float], found: int, shown: int) -> None:
    one = cut(estimates)
    assert one.chosen("no_loss_found", 0.01, 0.05) == found
    assert one.chosen("non_inferior", 0.01, 0.05) == shown


def test_no_loss_found_is_not_no_loss_shown() -> None:
    wide = cut([-0.005, -0.01], arm=0.03)
    assert wide.chosen("no_loss_found", 0.01, 0.05) == 2
    assert wide.chosen("non_inferior", 0.01, 0.05) == 0
    # What cannot be seen is told: from no cut at all to both.
    assert wide.between(0.01, 0.05) == (0, 2)
    found = dict(summaries([wide], "no_loss_found", 0.01, 0.05))
    assert found["params_ratio", ""][0] == 4.0
    assert all(map(math.isnan, found["params_ratio", ""][1:]))


@pytest.mark.parametrize(
    ("estimates", "low", "high"),
    [
        ([0.0, -0.05, -0.05], 1, 1),
        ([0.0, -0.008, -0.05], 1, 2),
        ([-0.008, -0.05, 0.0], 0, 3),  # the largest is not shown to lose, so it may yet be harmless
        ([-0.05, -0.05], 0, 0),
    ],
)
def test_bounds_of_the_harmless_cuts(estimates: list[float], low: int, high: int) -> None:
    assert cut(estimates).between(0.01, 0.05) == (low, high)


def published(column: str = "params_14") -> list[Cuts]:
    with open(RESOURCES / "truncation.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    cuts = []
    for network, best in HARMLESS.items():
        own = sorted(
            (r for r in rows if r["architecture"] == network), key=lambda r: int(r["drop"])
        )
        costs = [float(row[column]) for row in own]
        estimates = [0.0 if k <= best else -0.03 for k in range(1, len(own))]
        cuts.append(cut(estimates, costs=costs))
    return cuts


def test_the_published_ratio_by_one_count_is_2_96() -> None:
    found = dict(summaries(published(), "no_loss_found", 0.01, 0.05))
    assert found["params_ratio", ""][0] == pytest.approx(2.96, abs=0.005)
    # Compute shrinks much less: 5.78 / 5.36, 0.64 / 0.54, 3.70 / 2.86 and 0.78 / 0.50.
    found = dict(summaries(published("gmac_at_320"), "no_loss_found", 0.01, 0.05))
    assert found["macs_ratio", ""][0] == pytest.approx(1.28, abs=0.005)


def test_a_mean_has_the_bounds_that_hold_for_all_its_networks() -> None:
    # Two networks are each surely cut once; whether twice is open, more so for both at once.
    edge = cut([0.0, -0.0055], arm=0.004)
    found = dict(summaries([edge, edge], "non_inferior", 0.01, 0.05))
    assert found["blocks", "net"] == (2.0, 2.0, 2.0)
    assert found["params_ratio", "net"] == (4.0, 4.0, 4.0)
    assert found["params_ratio", ""] == (4.0, 2.0, 4.0)
    assert found["speed_ratio", ""] == (0.25, 0.25, 0.5)


def test_the_change_at_a_chosen_cut_has_room_for_the_luck_of_the_choice() -> None:
    one = cut([-0.003, -0.002, 0.001], arm=0.02, spread=0.01)
    value, low, high = dict(summaries([one], "no_loss_found", 0.01, 0.05))["score_change", ""]
    assert value == 0.001
    # Three independent errors, of which the largest may be the chosen one's.
    best = stats.norm.ppf(0.975 ** (1 / 3)) * 0.01
    assert (value - low, high - value) == pytest.approx((best, best), rel=0.06)


def test_hardly_any_degrees_of_freedom_give_no_change_beyond_one() -> None:
    rng = np.random.default_rng(0)
    row: Any = SimpleNamespace(question="q", contrast="c", se_seed=0.1, df=0.02)
    one: Any = SimpleNamespace(
        row=row, key="c", arms=lambda reader: (rng.normal(0.8, 0.01, (2, 500)),) * 2
    )
    errors = _errors(one, None, 0.05, AUROC)  # type: ignore[arg-type]
    assert np.abs(errors).max() == 2
    wild = replace(cut([-0.003, 0.001], arm=0.02), errors=np.stack([errors, errors]))
    _, low, high = dict(summaries([wild], "no_loss_found", 0.01, 0.05))["score_change", ""]
    assert (low, high) == (-1, 1)


def test_nothing_cut_changes_nothing_and_claims_nothing() -> None:
    found = dict(summaries([cut([-0.05])], "no_loss_found", 0.01, 0.05))
    assert found["params_ratio", ""][0] == 1
    assert all(map(math.isnan, found["score_change", ""]))


def test_the_interval_of_a_chosen_cuts_change_holds_where_its_own_does_not() -> None:
    rng = np.random.default_rng(0)
    true, se, hits, own, harmless = np.full(3, -0.0075), 0.004, 0, 0, 0
    spread = se * rng.normal(size=(3, 2000))
    costs = {cost: np.array([8.0, 4, 2, 1]) for cost in COSTS}
    accepted = 0
    for _ in range(1500):
        estimates = true + se * rng.normal(size=3)
        one = Cuts(
            "n", np.arange(1, 4), estimates, np.full(3, se), np.full(3, 1e9), costs, spread, AUROC
        )
        low, high = one.between(0.01, 0.05)
        harmless += low <= 3 <= high
        found = dict(summaries([one], "non_inferior", 0.01, 0.05))["score_change", ""]
        if not math.isnan(found[0]):
            accepted += 1
            hits += found[1] <= -0.0075 <= found[2]
            own += abs(found[0] + 0.0075) <= 1.96 * se
    assert accepted > 150
    assert hits / accepted >= 0.92 and own / accepted < 0.88
    assert harmless / 1500 >= 0.95


@pytest.mark.parametrize("se", [0.1, math.nan])
def test_bounds_rest_on_the_error_and_not_on_an_interval_that_was_cut(se: float) -> None:
    row: Any = SimpleNamespace(
        estimate=-0.3,
        se=se,
        se_seed=0.05,
        df=1.2,
        low=-1.0,
        high=0.9,
        question="q",
        contrast="c",
        metric="auroc",
    )
    place = {"architecture": "net", "dataset": "films"}
    one = Compared(row, {"axis": "truncation", "baseline": 0}, place, 1, ())
    reader: Any = SimpleNamespace(primary="best", metric_of=lambda dataset, name: built_in(name))
    arms = np.full((1, 5), 0.5)
    costs = {cost: [2.0, 1.0] for cost in COSTS}
    cells = pd.DataFrame({**costs, **place, "truncation": [0, 1], "selection": "best"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Compared, "arms", lambda self, reader: (arms, arms))
        found = _cuts([one], Basis({}, cells, reader, 0.05))
    assert stats.t.isf(0.025, 1.2) * 0.1 > 0.7  # cut at -1
    assert (found.se[0], found.df[0]) == pytest.approx((se, 1.2), nan_ok=True)
    assert found.chosen("no_loss_found", 0.01, 0.05) == (0 if math.isnan(se) else 1)


@pytest.mark.parametrize(("networks", "called"), [(("net",), "alone"), (("net", "other"), "mean")])
def test_one_network_is_no_mean_of_networks(networks: tuple[str, ...], called: str) -> None:
    asked = {"name": "e", "kind": "efficiency", "contrast": "q", "margin": 0.01}
    row: Any = SimpleNamespace(question="q", metric="auroc")
    rows = [
        Compared(row, {"name": "q"}, {"architecture": name, "dataset": "films"}, 1, ())
        for name in networks
    ]
    reader = SimpleNamespace(targets=[])
    basis: Any = SimpleNamespace(answered={"q": rows}, alpha=0.05, reader=reader)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_cuts", lambda members, basis: cut([0.0]))
        found = [one for one in efficiency(asked, basis).rows if one.subject.startswith("mean")]
    assert {one.networks for one in found} == {called}
    assert {one.n for one in found} == {len(networks)}
