"""Numbers of R and its package pROC, worked out while the test runs."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from unit.evaluation.proc import golden
from unit.evaluation.proc.rscript import rscript
from unit.statistics.scales import AUROC

from transfergrid.metrics.auroc_interval import delong_interval
from transfergrid.metrics.influence import Influence, delong_covariance
from transfergrid.statistics.contrasts import Names, contrast_of_influences
from transfergrid.statistics.power import difference_power


def test_the_golden_numbers_are_those_of_proc_today(tmp_path: Path) -> None:
    shutil.copy(golden.HERE / "scores.csv", tmp_path)
    rscript(golden.HERE / "make_golden.R", tmp_path)
    made = pd.read_csv(tmp_path / "golden.csv", comment="#", index_col="case")
    kept = pd.read_csv(golden.HERE / "golden.csv", comment="#", index_col="case")
    pd.testing.assert_frame_equal(made, kept, check_exact=False, rtol=1e-9, atol=1e-15)


@pytest.fixture(scope="module")
def drawn() -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(12)
    label = np.repeat([1, 0], [9, 60])
    shared = rng.normal(size=69)
    frame = {
        name: np.round(shared + shift * label + rng.normal(size=69), 1)
        for name, shift in (("a", 1.5), ("b", 0.8))
    }
    runs = {"a": 0.8 + 0.002 * rng.normal(size=6), "b": 0.79 + 0.01 * rng.normal(size=6)}
    return {"scores": pd.DataFrame({"label": label, **frame}), "runs": pd.DataFrame(runs)}


@pytest.fixture(scope="module")
def answers(
    drawn: dict[str, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, float]:
    folder = tmp_path_factory.mktemp("r")
    for name, frame in drawn.items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    lines = rscript(golden.HERE / "fresh.R", folder).splitlines()
    return {name: float(value) for name, value in (line.split(",") for line in lines)}


def test_delongs_variance_interval_and_test(
    drawn: dict[str, pd.DataFrame], answers: dict[str, float]
) -> None:
    frame = drawn["scores"]
    areas, covariance = delong_covariance(frame[["a", "b"]].to_numpy().T, frame["label"])
    assert areas[0] == pytest.approx(answers["auc"], abs=1e-12)
    assert covariance[0, 0] == pytest.approx(answers["variance"], rel=1e-9)
    assert covariance[0, 1] == pytest.approx(answers["covariance"], rel=1e-9, abs=1e-15)
    for level in (0.9, 0.95, 0.99):
        found = delong_interval(areas[0], math.sqrt(covariance[0, 0]), 1 - level)
        assert found == pytest.approx((answers[f"low {level}"], answers[f"high {level}"]), abs=1e-9)
    z = (areas[0] - areas[1]) / math.sqrt(np.array([1, -1]) @ covariance @ np.array([1, -1]))
    assert z == pytest.approx(answers["z"], rel=1e-9)
    assert 2 * stats.norm.sf(abs(z)) == pytest.approx(answers["p"], rel=1e-9)


def test_a_contrast_of_seeds_alone_is_welchs_test(
    drawn: dict[str, pd.DataFrame], answers: dict[str, float]
) -> None:
    arms = [
        {seed: Influence(value, np.arange(40), np.zeros(40)) for seed, value in enumerate(column)}
        for _, column in drawn["runs"].items()
    ]
    row, _ = contrast_of_influences([(arms[0], arms[1])], Names("", "", "", "a", "b", AUROC), 40)
    assert row is not None
    found = row.df, row.p_difference, row.low, row.high
    expected = [answers[f"welch {name}"] for name in ("df", "p", "low", "high")]
    assert found == pytest.approx(expected, rel=1e-9)


def test_power_is_that_of_r(answers: dict[str, float]) -> None:
    assert difference_power(1 / math.sqrt(7), 6, 0.9) == pytest.approx(answers["power"], abs=1e-7)
