"""What similarities say of reuse: planted tables, the jackknife over seeds, the paper's values."""

from __future__ import annotations

import math
from itertools import combinations
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from transfergrid.planning.claims import published_similarities
from transfergrid.statistics.basis import Basis
from transfergrid.statistics.reuse import mean_correlation, reuse, without_each_seed

LAYERS = ("stem", "block1", "block2", "block3", "block4")
QUESTION = {"name": "reuse of features", "kind": "reuse"}


def row(pair: str, left: tuple, right: tuple, layer: int, value: float, **more: Any) -> dict:
    """A row of similarity.csv; ends are (pretraining, state, seed)."""
    found: dict[str, Any] = {"dataset": "films", "fold": "all", "architecture": "resnet50"}
    found |= {"truncation": 0, "pair": pair, "layer": LAYERS[layer], "depth": layer}
    for side, (pretraining, state, seed) in (("left", left), ("right", right)):
        found |= {f"{side}_pretraining": pretraining, f"{side}_state": state}
        found |= {f"{side}_seed": seed, side: f"{pretraining}-{state}-{seed}"}
        found[f"{side}_protocol"] = "tune" if state == "final" else ""
    ends = {"low": value - 0.01, "high": value + 0.01}
    return {**found, "measure": "mean_cca", "value": value, **ends, **more}


def table(seeds: int = 3, apart: float = 0.03, kept: float = 0.8) -> pd.DataFrame:
    """Drawn networks are more alike than they are like the source, by `apart`."""
    rng, rows = np.random.default_rng(0), []
    for layer in range(len(LAYERS)):
        start = 0.3 + 0.05 * layer
        for seed in range(seeds):
            drawn, source = ("random", "final", seed), ("imagenet", "final", seed)
            noise = 0.002 * rng.standard_normal()
            end = 0.1 + 0.4 * start + noise
            rows.append(row("random", drawn, source, layer, end))
            before = ("random", "initial", seed), ("imagenet", "initial", None)
            rows.append(row("random", *before, layer, start))
            value = kept if layer < 2 else 0.4
            rows.append(row("before_after", before[1], source, layer, value))
        for a, b in combinations(range(seeds), 2):
            ends = ("random", "final", a), ("random", "final", b)
            rows.append(row("seeds", *ends, layer, 0.1 + 0.4 * start + apart))
    return pd.DataFrame(rows)


def found(similar: pd.DataFrame, claims: Any = None, sizes: dict | None = None) -> dict[str, Any]:
    cells = [
        {"dataset": "films", "architecture": name, "truncation": 0, "params": params}
        for name, params in (sizes or {"resnet50": 25e6}).items()
    ]
    study = {"primary_metric": {"films": "auroc"}, "claims": claims or {}}
    reader: Any = SimpleNamespace(targets=[])
    basis = Basis(study, pd.DataFrame(cells), reader, 0.05, compared={"similarity": similar})
    rows = reuse(QUESTION, basis).rows
    assert all(one.columns()["kind"] == "reuse" for one in rows)
    return {one.quantity: one for one in rows}


def test_planted_differences_are_found() -> None:
    told = found(table())
    similar = table()
    last = similar[(similar["depth"] >= 3) & (similar["left_state"] == "final")]
    across = last[last["pair"] == "random"]["value"].mean()
    assert told["random_transfer"].value == pytest.approx(across)
    apart = told["random_random_minus_transfer"]
    assert apart.value == pytest.approx(0.03, abs=0.002)
    assert apart.low < 0.03 < apart.high and apart.low > 0.02
    assert told["kept_lowest"].value == pytest.approx(0.8)
    assert told["kept_above"].value == pytest.approx(0.4)
    assert told["kept_lowest"].low == pytest.approx(0.79)
    r = told["start_end_correlation"]
    assert r.value > 0.95 and r.low < r.value < r.high and "3 seeds" in r.method
    assert told["kept_lowest"].place["pretraining"] == "imagenet"


def test_folds_are_no_further_layers() -> None:
    """Each fold's start meets its own end, and a layer is one point whatever the folds."""
    one = table()
    late = one["left_state"] == "final"
    moved = one.assign(fold="1", value=one["value"] + late.map({True: -0.1, False: 0.2}))
    folds = pd.concat([one.assign(fold="0"), moved])
    whole, crossed = (found(each)["start_end_correlation"] for each in (one, folds))
    assert crossed.value == pytest.approx(whole.value)
    assert crossed.method == whole.method and "over 5 blocks" in whole.method


def test_a_dead_layer_is_in_no_mean_and_not_counted() -> None:
    dead = table()
    dead.loc[(dead["pair"] == "before_after") & (dead["layer"] == "stem"), "value"] = math.nan
    told = found(dead)["kept_lowest"]
    assert told.value == pytest.approx(0.8) and "over one block;" in told.method


def test_the_correlation_is_over_layers_and_its_interval_over_seeds() -> None:
    values = [0.5, 0.7, 0.6]
    z = np.arctanh(values)
    low, high = stats.t.interval(0.95, 2, z.mean(), stats.sem(z))
    expected = (math.tanh(z.mean()), math.tanh(low), math.tanh(high))
    assert mean_correlation(values, 0.05) == pytest.approx(expected)
    value, low, high = mean_correlation([0.5], 0.05)
    assert value == pytest.approx(0.5) and math.isnan(low) and math.isnan(high)
    assert mean_correlation([1.0, 1.0], 0.05)[0] == pytest.approx(1)


def test_two_seeds_have_a_difference_without_an_interval_and_one_seed_none() -> None:
    told = found(table(seeds=2))["random_random_minus_transfer"]
    assert not math.isnan(told.value) and math.isnan(told.low)
    assert "three seeds" in told.method
    assert "random_random_minus_transfer" not in found(table(seeds=1))


@pytest.mark.parametrize(("seeds", "least"), [(3, 0.93), (5, 0.93)])
def test_the_jackknife_over_seeds_holds_what_it_says(seeds: int, least: float) -> None:
    # Networks share parts with every pair that they are in: value = own parts + noise.
    rng, hits, count = np.random.default_rng(1), 0, 1000
    for _ in range(count):
        drawn, source = 0.02 * rng.standard_normal((2, seeds))
        pairs = list(combinations(range(seeds), 2))
        same = pd.DataFrame(
            {
                "left_seed": [a for a, _ in pairs],
                "right_seed": [b for _, b in pairs],
                "value": [
                    0.3 + drawn[a] + drawn[b] + 0.01 * rng.standard_normal() for a, b in pairs
                ],
            }
        )
        numbers = np.arange(seeds)
        values = 0.27 + drawn + source + 0.01 * rng.standard_normal(seeds)
        across = pd.DataFrame({"left_seed": numbers, "right_seed": numbers, "value": values})
        (_, low, high), _ = without_each_seed(same, across, 0.05)
        hits += low <= 0.03 <= high
    assert least <= hits / count


def test_smaller_networks_that_keep_less_correlate_with_size() -> None:
    names = {"a": 1e6, "b": 2e6, "c": 4e6, "d": 8e6, "e": 16e6}
    parts = [
        table(kept=0.5 + 0.05 * number).assign(architecture=name)
        for number, name in enumerate(names)
    ]
    told = found(pd.concat(parts), sizes=names)
    rho = told["kept_lowest_against_size"]
    assert rho.value == pytest.approx(1) and rho.n == 5 and "architecture" not in rho.place
    assert "kept_lowest_against_size" not in found(pd.concat(parts[:3]), sizes=names)


def test_the_papers_values_stand_beside_ours_with_their_grade() -> None:
    claims = {"similarities": list(published_similarities()), "stands_for": {}, "where": {}}
    told = found(table(), claims)
    theirs, minus = (told[f"{name}random_random"] for name in ("paper_", "ours_minus_paper_"))
    assert theirs.value == 0.266 and theirs.note.startswith("digitised")
    assert minus.value == pytest.approx(told["random_random"].value - 0.266)
    assert told["paper_random_transfer"].value == 0.239
    # Networks whose names begin alike are other networks; a pinned name is the same.
    for name in ("resnet18", "resnet50_slim3", "cbr_tiny_32"):
        assert "paper_random_random" not in found(table().assign(architecture=name), claims)
    pinned = table().assign(architecture="resnet50.tv_in1k")
    assert found(pinned, claims)["paper_random_random"].value == 0.266
    assert "paper_random_random" not in found(table())
    shapes = table().replace({"imagenet": "shapes"})
    assert "paper_random_random" not in found(shapes, claims)
    stands = {**claims, "stands_for": {"shapes": "imagenet"}}
    assert "paper_random_random" in found(shapes, stands)


@pytest.mark.parametrize(
    ("where", "there"),
    [
        ({"protocol": "tune", "pretraining": ["imagenet"]}, True),
        ({"protocol": "other"}, False),
        ({"pretraining": "shapes"}, False),
        ({"dataset": "others"}, False),
    ],
)
def test_the_papers_values_stand_beside_cells_that_the_claims_count(
    where: dict[str, Any], there: bool
) -> None:
    claims = {"similarities": list(published_similarities()), "stands_for": {}, "where": where}
    told = found(table(), claims)
    assert ("ours_minus_paper_random_transfer" in told) == there
    assert "random_transfer" in told  # what a study compares is told in any case


def test_seeds_that_do_not_count_are_in_no_mean_beside_the_paper() -> None:
    similar = table()
    odd = (similar["left_seed"] == 2) | (similar["right_seed"] == 2)
    similar.loc[odd, "value"] += 0.3
    kept = {"similarities": list(published_similarities()), "stands_for": {}}
    told = found(similar, {**kept, "where": {"seed": [0, 1]}})
    counted = found(similar[~odd])["random_transfer"].value
    assert told["ours_minus_paper_random_transfer"].value == pytest.approx(counted - 0.239)
    assert told["random_transfer"].value > counted + 0.09


def test_a_mean_has_bounds_only_where_all_that_it_is_of_have() -> None:
    similar = table()
    lowest = (similar["pair"] == "before_after") & (similar["depth"] == 0)
    similar.loc[lowest, ["low", "high"]] = math.nan
    one = found(similar)["kept_lowest"]
    assert one.value == pytest.approx(0.8) and math.isnan(one.low) and math.isnan(one.high)
    similar.loc[lowest, "value"] = math.nan  # a layer that says nothing is no part of the mean
    assert found(similar)["kept_lowest"].low == pytest.approx(0.79)


def test_nothing_is_said_where_nothing_was_compared() -> None:
    study = {"primary_metric": {}, "claims": {}}
    reader: Any = SimpleNamespace(targets=[])
    assert not reuse(QUESTION, Basis(study, pd.DataFrame(), reader, 0.05)).rows
