"""The question of few patients, over cells whose scores are planted."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from transfergrid.catalog.small_data_table import SMALL_DATA
from transfergrid.metrics.influence import Influence
from transfergrid.planning.metrics import built_in
from transfergrid.runtime.errors import UserError
from transfergrid.statistics.basis import Basis
from transfergrid.statistics.conditions import UNKNOWN_PATIENTS
from transfergrid.statistics.crossings_resampled import small_data_otherwise
from transfergrid.statistics.named import ONE_SEED
from transfergrid.statistics.scale import Scale
from transfergrid.statistics.small_data import UNKNOWN_DRAWN, small_data

SIZES = (50, 100, 200, 400)
QUESTION: dict[str, Any] = {
    "name": "few",
    "kind": "small_data",
    "axis": "pretraining",
    "baseline": "random",
    "protocols": None,
    "metric": None,
    "where": {},
}


def curve(patients: float, ahead: float = 1.0) -> float:
    """A true score; an arm that is `ahead` has that of so many times the patients."""
    return 0.5 + 0.05 * math.log(ahead * patients)


class Made:
    """A reader of cells that were never trained: 4 sizes, 2 arms, some seeds, known scores."""

    def __init__(
        self, ahead: float = 2.0, seeds: int = 3, patients: str = "known", metric: str = "auroc"
    ) -> None:
        rng = np.random.default_rng(7)
        self.targets: list[dict[str, Any]] = []
        self.recipes: dict[str, dict[str, Any]] = {}
        self.scores: dict[str, Influence] = {}
        self.patients, self.declared = patients, built_in(metric)
        self.sign = 1 if self.declared["higher_is_better"] else -1
        each = rng.normal(0, 0.0005, size=200)
        for pretraining, times in (("random", 1.0), ("ours", ahead)):
            for size in SIZES:
                for seed in range(seeds):
                    true = curve(size, times)
                    score = true if self.sign > 0 else 2 - true
                    # A seed moves both arms alike, and a little apart.
                    moved = 0.005 if pretraining == "ours" else 0.003
                    score += moved * (seed - (seeds - 1) / 2)
                    values = each + rng.normal(0, 0.00005, size=200)
                    run = Influence(score, np.arange(200), values)
                    self.add(pretraining, f"few.patients{size}", seed, run, train_patients=size)

    def add(
        self, pretraining: str, protocol: str, seed: int, run: Influence, **recipe: Any
    ) -> None:
        name = f"{pretraining}-{protocol}-{seed}"
        place = {"dataset": "films", "architecture": "net", "truncation": 0, "protocol": protocol}
        self.targets.append({"cell": name, **place, "pretraining": pretraining, "seed": seed})
        plain = {"train_share": 1.0, "train_count": None, "holdout": 0.0, "tune": None}
        self.recipes[name], self.scores[name] = {**plain, **recipe}, run

    @property
    def entries(self) -> dict[str, Any]:
        return {cell["cell"]: cell for cell in self.targets}

    @property
    def runs(self) -> dict[str, Any]:
        return {name: SimpleNamespace(crossed=False, cells=[name]) for name in self.scores}

    def spec(self, cell: str) -> dict[str, Any]:
        return {"recipe": self.recipes[cell], "weights": {"id": None}}

    def card(self, cell: str) -> dict[str, Any]:
        return {"patients": self.patients, "splits": {"train": {"patients": 900}}}

    def influence(self, cell: str, selection: Any = None, metric: Any = None) -> Any:
        return self.scores[cell], 200

    def replicates(self, cell: str, metric: Any = None) -> np.ndarray:
        moved = np.random.default_rng(1).normal(0, 0.0005 * math.sqrt(200), size=400)
        return self.scores[cell].estimate + moved

    def metric(self, cell: str, metric: Any = None) -> Any:
        return self.declared

    def scale(self, cell: str, metric: Any = None) -> Scale:
        return Scale.of(self.declared)


def answered(reader: Any, **changes: Any) -> tuple[pd.DataFrame, list[str]]:
    basis = Basis({}, pd.DataFrame(), reader, 0.05)
    found = small_data({**QUESTION, **changes}, basis)
    table = pd.DataFrame([row.columns() for row in found.rows])
    assert list(table.columns) == list(SMALL_DATA.header) or table.empty
    return table, list(found.left_out)


def of(table: pd.DataFrame, quantity: str, arm: str = "ours") -> pd.DataFrame:
    rows = table[(table["quantity"] == quantity) & (table["arm"] == arm)]
    return rows.set_index("patients")


@pytest.mark.parametrize("metric", ["auroc", "log_loss"])
def test_planted_curves_boosts_and_ratios_are_found(metric: str) -> None:
    reader = Made(metric=metric)
    table, left_out = answered(reader)
    assert left_out == []
    for arm, ahead in (("random", 1.0), ("ours", 2.0)):
        scores = of(table, "score", arm)
        true = np.array([curve(size, ahead) for size in SIZES])
        expected = true if reader.sign > 0 else 2 - true
        np.testing.assert_allclose(scores["value"], expected, atol=1e-12)
    boost = of(table, "boost")
    np.testing.assert_allclose(boost["value"], reader.sign * 0.05 * math.log(2), atol=1e-12)
    # What seeds do to both arms alike, differences know nothing of.
    between = 0.002**2 / 3
    assert ((boost["se_seed"] > 0.8 * between**0.5) & (boost["se_seed"] < between**0.5)).all()
    assert (of(table, "score")["se_seed"] > 2 * between**0.5).all()
    ratio = of(table, "data_ratio")
    np.testing.assert_allclose(ratio["value"][:3], 2, rtol=1e-9)
    assert ratio["value"][400] == math.inf
    assert list(ratio["verdict"][:2]) == ["crosses", "crosses"]
    assert ratio["verdict"][400] == "never crosses" and ratio["low"][400] == pytest.approx(1)
    # Bands are wider, so what holds for all sizes at once is no more than what holds for each.
    assert ratio["band_verdict"][400] in ("never crosses", "undecided")
    inner = ratio.loc[[50, 100]]
    assert ((inner["low"] < 2) & (inner["high"] > 2)).all()
    # All runs are planted alike, so that a change of boosts has no variance and no interval.
    held = table[table["quantity"] != "boost_change"]
    assert (held["band_low"] <= held["low"]).all() and (held["high"] <= held["band_high"]).all()
    assert list(ratio["protocol"]) == [f"few.patients{size}" for size in SIZES]


def test_an_arm_that_is_behind_is_reached_at_the_smallest_size_already() -> None:
    ratio = of(answered(Made(ahead=0.5))[0], "data_ratio")
    assert ratio["value"][50] == 0 and ratio["verdict"][50] == "already at the smallest"
    assert (ratio["low"][50], ratio["high"][50]) == (0, 1)
    np.testing.assert_allclose(ratio["value"][1:], 0.5, rtol=1e-9)


def test_one_seed_is_told_and_unknown_patients_are() -> None:
    table, _ = answered(Made(seeds=1, patients="unknown"))
    assert (table["n_seeds"] == 1).all() and table["low"].notna().all()
    for condition in (ONE_SEED, UNKNOWN_PATIENTS, UNKNOWN_DRAWN):
        assert table["conditional_on"].str.contains(condition).all()
    assert not answered(Made())[0]["conditional_on"].str.contains("seed|unknown").any()


def test_all_patients_are_a_size_and_counts_of_images_are_none() -> None:
    reader = Made()
    run = reader.scores["ours-few.patients50-0"]
    reader.add("ours", "whole", 0, run)
    reader.add("random", "held", 0, run, holdout=0.1)
    reader.add("ours", "counted", 0, run, train_count=50)
    reader.add("ours", "shared", 0, run, train_share=0.5)
    table, _ = answered(reader)
    assert list(of(table, "score").index) == [*SIZES, 900]
    assert list(of(table, "score", "random").index) == [*SIZES, 810]
    # One seed has a result at every size, so only that one counts for the curves.
    assert (table["n_seeds"] == 1).all()
    only, _ = answered(reader, protocols=[f"few.patients{size}" for size in SIZES])
    assert set(only["patients"]) == set(SIZES) and (only["n_seeds"] == 3).all()


def test_a_size_that_crosses_by_itself_may_not_do_so_with_all_others() -> None:
    """Seeds that lie far apart: the interval of 50 patients ends, and its band does not."""
    reader, rng = Made(seeds=3, ahead=2.0), np.random.default_rng(3)
    for cell in reader.targets:
        run = reader.scores[cell["cell"]]
        reader.scores[cell["cell"]] = replace(run, estimate=run.estimate + rng.normal(0, 0.005))
    ratio = of(answered(reader)[0], "data_ratio")
    narrow = (ratio["verdict"] != "undecided") & (ratio["band_verdict"] == "undecided")
    assert narrow.any()
    for row in ratio.to_dict("records"):
        ends = (row["band_low"] > 0) + math.isfinite(row["band_high"])
        assert (row["band_verdict"] == "crosses") == (ends == 2 and row["value"] < math.inf)


def test_curves_on_different_patients_are_refused() -> None:
    reader = Made()
    run = reader.scores["ours-few.patients100-1"]
    others = replace(run, patients=run.patients + 1)
    reader.scores["ours-few.patients100-1"] = others
    with pytest.raises(UserError, match="Question 'few' compares cells scored on different"):
        answered(reader)


@pytest.mark.parametrize("shrinks", [0.05, 0.0])
def test_a_boost_that_shrinks_with_patients_has_a_change_with_its_interval(shrinks: float) -> None:
    reader, rng = Made(seeds=5), np.random.default_rng(3)
    for cell in reader.targets:
        run, more = reader.scores[cell["cell"]], rng.normal(0, 0.002)
        # Beyond what it is ahead, with 50 patients, less with more of them and nothing with 400.
        if cell["pretraining"] == "ours":
            size = reader.recipes[cell["cell"]]["train_patients"]
            more += shrinks * math.log(400 / size) / math.log(8)
        reader.scores[cell["cell"]] = replace(run, estimate=run.estimate + more)
    table, _ = answered(reader)
    (change,) = of(table, "boost_change").reset_index().to_dict("records")
    boost = of(table, "boost")["value"]
    assert change["value"] == pytest.approx(boost[50] - boost[400])
    assert change["low"] < shrinks < change["high"]
    assert (change["low"] > 0) == (shrinks > 0)
    assert (change["band_low"], change["band_high"]) == (change["low"], change["high"])
    # It is about two recipes, and a claim finds it whatever recipe the study judges by.
    assert (change["patients"], change["protocol"], change["n_sizes"]) == (50, "", 4)
    # With one size there is nothing to subtract.
    assert of(answered(Made(), protocols=["few.patients50"])[0], "boost_change").empty


def test_the_interval_of_a_change_knows_that_runs_share_test_patients() -> None:
    """What the choice of test patients does to all four runs alike, it does not do to a change."""
    table, _ = answered(Made())
    change = of(table, "boost_change")["se_patient"].iloc[0]
    assert change < 2 * of(table, "boost")["se_patient"].max()
    assert change < of(table, "score")["se_patient"].min()


def test_what_has_no_result_is_left_out_and_told() -> None:
    reader = Made()
    for seed in range(3):
        reader.scores[f"ours-few.patients100-{seed}"] = Influence(
            math.nan, np.arange(200), np.full(200, math.nan)
        )
    reader.scores["random-few.patients50-2"] = reader.scores["ours-few.patients100-0"]
    table, left_out = answered(reader)
    assert list(of(table, "boost").index) == [50, 200, 400]
    # Each is told once, and of the arm that lacks it.
    assert left_out == [
        "few: random lacks a result of seeds 2 at some size; they are not used.",
        "few: ours has no result with 100 patients; that size is left out.",
        "few: ours or its baseline lacks a result of seeds 2 at some size; they are not used.",
    ]
    assert (of(table, "boost")["n_seeds"] == 2).all()


def test_without_a_baseline_there_are_curves_alone() -> None:
    table, left_out = answered(Made(), baseline="imagenet")
    assert set(table["quantity"]) == {"score"}
    assert left_out == ["few: there is no baseline imagenet."] * 2


def test_a_bootstrap_needs_eight_seeds() -> None:
    def drawn(seeds: int) -> list[Any]:
        reader = Made(seeds=seeds)
        rows = small_data(QUESTION, Basis({}, pd.DataFrame(), reader, 0.05)).rows
        return [one for row in rows for one in small_data_otherwise(row, reader, 0.05)]

    assert drawn(5) == []
    found = drawn(8)
    assert [one.dataset for one in found] == ["films"] * 4
    for one in found[:2]:
        assert 1.5 < one.low < one.estimate < one.high < 3
        assert one.estimate == pytest.approx(2)
    assert found[3].high == math.inf
