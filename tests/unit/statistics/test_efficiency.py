from __future__ import annotations

import csv
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from transfergrid.planning.paths import RESOURCES
from transfergrid.statistics import efficiency as module
from transfergrid.statistics.comparisons import Basis, Compared
from transfergrid.statistics.efficiency import COSTS, Cuts, _cuts, _summaries, efficiency

HARMLESS = {"densenet121": 1, "mnasnet_100": 1, "resnet18": 1, "efficientnet_b0": 2}
"""Largest cut without a significant loss that the published mean is over."""


def cut(
    estimates: list[float], arm: float = 0.004, costs: list[float] | None = None, spread: float = 0
) -> Cuts:
    count = len(estimates)
    values = np.array(costs or [8.0 / 2**k for k in range(count + 1)])
    rng = np.random.default_rng(0)
    return Cuts(
        "net",
        np.arange(1, count + 1),
        np.array(estimates),
        np.full(count, arm),
        np.full(count, 0.8 * arm),
        {cost: values for cost in COSTS},
        np.array(estimates)[:, None] + spread * rng.normal(size=(count, 400)),
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
    assert one.chosen("no_loss_found", 0.01, one.estimates) == found
    assert one.chosen("non_inferior", 0.01, one.estimates) == shown


def test_no_loss_found_is_not_no_loss_shown() -> None:
    wide = cut([-0.005, -0.01], arm=0.03)
    assert wide.chosen("no_loss_found", 0.01, wide.estimates) == 2
    assert wide.chosen("non_inferior", 0.01, wide.estimates) == 0


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
    found = dict(_summaries(published(), "no_loss_found", 0.01, 0.05))
    assert found["params_ratio", ""][0] == pytest.approx(2.96, abs=0.005)
    # Compute shrinks much less: 5.78 / 5.36, 0.64 / 0.54, 3.70 / 2.86 and 0.78 / 0.50.
    found = dict(_summaries(published("gmac_at_320"), "no_loss_found", 0.01, 0.05))
    assert found["macs_ratio", ""][0] == pytest.approx(1.28, abs=0.005)


def test_the_interval_draws_the_choice_anew() -> None:
    # The second cut is at the edge: half of the draws take it.
    edge = cut([0.0, -0.004], arm=0.004, spread=0.001)
    found = dict(_summaries([edge, edge], "no_loss_found", 0.01, 0.05))
    assert found["params_ratio", ""] == (4.0, 2.0, 4.0)
    assert found["speed_ratio", ""] == (0.25, 0.25, 0.5)
    assert found["blocks", "net"] == (2.0, 1.0, 2.0)
    change, low, high = found["auroc_change", ""]
    assert change == -0.004 and low < change < high


def test_nothing_cut_changes_nothing_and_claims_nothing() -> None:
    found = dict(_summaries([cut([-0.05])], "no_loss_found", 0.01, 0.05))
    assert found["params_ratio", ""][0] == 1
    assert all(map(math.isnan, found["auroc_change", ""]))


@pytest.mark.parametrize("se", [0.1, math.nan])
def test_bounds_rest_on_the_error_and_not_on_an_interval_that_was_cut(se: float) -> None:
    row: Any = SimpleNamespace(
        estimate=-0.3, se=se, df=1.2, low=-1.0, high=0.9, question="q", contrast="c"
    )
    place = {"architecture": "net", "dataset": "films"}
    one = Compared(row, {}, place, 1, ())
    reader: Any = SimpleNamespace(primary="best")
    arms = np.full((1, 5), 0.5)
    costs = {cost: [2.0, 1.0] for cost in COSTS}
    cells = pd.DataFrame({**costs, **place, "truncation": [0, 1], "selection": "best"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Compared, "arms", lambda self, reader: (arms, arms))
        found = _cuts([one], Basis({}, cells, [one], reader, 0.05))
    assert stats.t.isf(0.025, 1.2) * 0.1 > 0.7  # cut at -1
    expected = [se * stats.t.isf(0.025, 1.2), se * stats.t.isf(0.05, 1.2)]
    assert [found.arms[0], found.one_sided[0]] == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(("networks", "called"), [(("net",), "alone"), (("net", "other"), "mean")])
def test_one_network_is_no_mean_of_networks(networks: tuple[str, ...], called: str) -> None:
    asked = {"name": "e", "kind": "efficiency", "contrast": "q", "margin": 0.01}
    row: Any = SimpleNamespace(question="q")
    rows = [
        Compared(row, {"name": "q"}, {"architecture": name, "dataset": "films"}, 1, ())
        for name in networks
    ]
    basis: Any = SimpleNamespace(compared=rows, alpha=0.05)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_cuts", lambda members, basis: cut([0.0]))
        found = [one for one in efficiency(asked, basis) if one.subject.startswith("mean")]
    assert {one.place["networks"] for one in found} == {called}
    assert {one.n for one in found} == {len(networks)}
