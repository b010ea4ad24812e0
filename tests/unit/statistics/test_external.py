"""Drops, orders and swaps on films of other hospitals, against scipy on patients' own values."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score
from unit.statistics.crossed_study import TASKS, build

from transfergrid.evaluation.ensemble import Ensemble
from transfergrid.metrics.influence import Influence, macro_influence
from transfergrid.statistics import elsewhere as reading
from transfergrid.statistics import external as module
from transfergrid.statistics.basis import Answered, Basis
from transfergrid.statistics.correlation import rank_correlations
from transfergrid.statistics.elsewhere import Both, both_of
from transfergrid.statistics.external import external
from transfergrid.statistics.order_kept import kendall, order_kept
from transfergrid.statistics.reader import Reader

QUESTION = {
    "name": "holds",
    "kind": "external",
    "axis": "architecture",
    "metric": None,
    "where": {},
}
PLACE = {"dataset": "films", "pretraining": "random", "truncation": 0, "protocol": "p"}
Values = Mapping[tuple[str, int], tuple[np.ndarray, np.ndarray]]
"""By arm and seed a value of each patient at home and there; a score is their mean."""


def influence(values: np.ndarray, word: str) -> Influence:
    """Return a mean with contributions whose squares sum to its usual variance."""
    n = len(values)
    own = (values - values.mean()) / n * np.sqrt(n / (n - 1))
    return Influence(float(values.mean()), np.array([f"{word}{i:03d}" for i in range(n)]), own)


def both(own: np.ndarray, there: np.ndarray) -> Both:
    return Both(influence(own, "a"), influence(there, "b"), len(own), len(there))


def answered(
    values: Values,
    monkeypatch: pytest.MonkeyPatch,
    sign: int = 1,
    axis: str = "architecture",
    replicates: int = 400,
) -> Answered:
    found = {f"{arm} {seed}": both(*sides) for (arm, seed), sides in values.items()}
    cells = []
    for arm, seed in values:
        place = {**PLACE, "architecture": "net", axis: arm}
        if axis != "architecture":
            place["architecture"], place[axis] = arm.split("/")
        cells.append({**place, "cell": f"{arm} {seed}", "seed": seed})
    metric = {"name": "made_up", "higher_is_better": sign > 0, "range": [None, None]}
    reader: Any = SimpleNamespace(
        targets=cells, metric_of=lambda dataset, name=None: {**metric, "roc_area": False}
    )
    monkeypatch.setattr(module, "both_of", lambda reader, run, on, metric: found.get(run))
    monkeypatch.setattr(module, "conditions", lambda arms, reader: ())
    study = {
        "externals": [{"tested_on": "other"}, {"tested_on": "films"}],
        "evaluation": {"bootstrap": {"replicates": replicates, "seed": 0}},
    }
    basis: Any = Basis(study, None, reader, 0.05)  # type: ignore[arg-type]
    return external({**QUESTION, "axis": axis}, basis)


def drawn(seed: int, gaps: Mapping[str, tuple[float, float]], n: int = 60) -> Values:
    """Return arms whose patients' values are shifted at home and there by known gaps."""
    rng = np.random.default_rng(seed)
    home, away = rng.normal(size=n), rng.normal(scale=2, size=n + 30)
    return {
        (arm, 0): (
            own + home + rng.normal(scale=0.3, size=n),
            there + away + rng.normal(scale=0.3, size=n + 30),
        )
        for arm, (own, there) in gaps.items()
    }


def test_a_drop_is_welchs_difference_of_two_sets_of_patients(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = drawn(0, {"a": (1.0, 0.2), "b": (0.8, 0.7), "c": (0.0, 0.0)})
    rows = [row.columns() for row in answered(values, monkeypatch).rows]
    assert [row["arm"] for row in rows] == ["a", "b", "c"]
    p = []
    for row in rows:
        own, there = values[row["arm"], 0]
        wanted = stats.ttest_ind(own, there, equal_var=False)
        low, high = wanted.confidence_interval(0.95)
        assert row["drop"] == pytest.approx(own.mean() - there.mean())
        assert (row["drop_low"], row["drop_high"]) == pytest.approx((low, high))
        assert row["p_drop"] == pytest.approx(wanted.pvalue)
        assert (row["internal"], row["external"]) == pytest.approx((own.mean(), there.mean()))
        assert (row["n_patients_internal"], row["n_patients_external"]) == (60, 90)
        p.append(wanted.pvalue)
    assert rows[0]["p_drop_adjusted"] == pytest.approx(min(1, 3 * min(p)))
    assert rows[0]["verdict"] == ("worse" if 3 * min(p) < 0.05 else "undecided")
    # Of a loss the same numbers are a gain.
    turned = [row.columns() for row in answered(values, monkeypatch, sign=-1).rows]
    for row, other in zip(rows, turned, strict=True):
        assert other["drop"] == -row["drop"] and other["drop_low"] == -row["drop_high"]
        assert other["rank_internal"] == 4 - row["rank_internal"]


def test_seeds_that_move_both_sides_alike_say_nothing_of_the_drop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = drawn(1, {"a": (1.0, 0.2)})
    own, there = values["a", 0]
    alike = {("a", seed): (own + shift, there + shift) for seed, shift in enumerate((0, 5, -5))}
    (one,) = (row.columns() for row in answered(values, monkeypatch).rows)
    (three,) = (row.columns() for row in answered(alike, monkeypatch).rows)
    assert three["n_seeds"] == 3 and three["drop"] == pytest.approx(one["drop"])
    assert three["drop_high"] - three["drop_low"] == pytest.approx(
        one["drop_high"] - one["drop_low"]
    )
    moved = {("a", seed): (own, there + shift) for seed, shift in enumerate((0, 5, -5))}
    (wide,) = (row.columns() for row in answered(moved, monkeypatch).rows)
    assert wide["drop_high"] - wide["drop_low"] > 5 * (one["drop_high"] - one["drop_low"])


def test_a_pair_is_compared_on_either_set_as_scipy_does(monkeypatch: pytest.MonkeyPatch) -> None:
    values = drawn(2, {"low": (0.0, 0.5), "high": (0.4, 0.0)})
    (pair,) = answered(values, monkeypatch).beside["external_pairs"]
    assert (pair["a"], pair["b"], pair["order"]) == ("high", "low", "swapped")
    for side, name in enumerate(("internal", "external")):
        wanted = stats.ttest_rel(values["high", 0][side], values["low", 0][side])
        assert pair[name] == pytest.approx(
            values["high", 0][side].mean() - values["low", 0][side].mean()
        )
        low, high = wanted.confidence_interval(0.95)
        assert (pair[f"{name}_low"], pair[f"{name}_high"]) == pytest.approx((low, high))
        assert pair[f"p_{name}"] == pytest.approx(wanted.pvalue)
    assert pair["verdict"] == "swapped" and pair["p_kept"] == 1


def test_a_swap_is_told_by_gail_and_simons_test(monkeypatch: pytest.MonkeyPatch) -> None:
    # With many patients t is z, and the test is half the upper tail of the smaller chi-square.
    for there in (0.02, 0.05, 0.2):
        values = drawn(3, {"low": (0.0, there), "high": (0.3, 0.0)}, n=3000)
        (pair,) = answered(values, monkeypatch).beside["external_pairs"]
        least = np.inf
        for side in (0, 1):
            apart = values["high", 0][side] - values["low", 0][side]
            least = min(least, apart.mean() ** 2 / (apart.var(ddof=1) / len(apart)))
        if pair["order"] == "swapped":
            assert pair["p_swap"] == pytest.approx(stats.chi2.sf(least, 1) / 2, rel=0.02)
            assert pair["verdict"] == ("swapped" if pair["p_swap"] < 0.05 else "undecided")
        else:
            assert pair["p_swap"] == 1


def test_swaps_that_are_none_are_hardly_ever_told(monkeypatch: pytest.MonkeyPatch) -> None:
    # At home one arm is surely better, there they are alike: every other pair swaps by chance, and
    # is said to as often as the level allows.
    said = swapped = 0
    for seed in range(1000):
        values = drawn(seed, {"low": (0.0, 0.0), "high": (0.5, 0.0)}, n=40)
        (pair,) = answered(values, monkeypatch, replicates=2).beside["external_pairs"]
        swapped += pair["order"] == "swapped"
        said += pair["verdict"] == "swapped"
    assert 0.45 < swapped / 1000 < 0.55 and 0.03 <= said / 1000 <= 0.07


def test_an_order_that_holds_is_said_to_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    found = answered(drawn(4, {"a": (0, 0), "b": (3, 3), "c": (6, 6), "d": (9, 9)}), monkeypatch)
    rows = [row.columns() for row in found.rows]
    assert {row["tau"] for row in rows} == {1.0} and {row["rho"] for row in rows} == {1.0}
    assert {(row["tau_low"], row["tau_high"]) for row in rows} == {(1.0, 1.0)}
    assert [row["rank_external"] for row in rows] == [4, 3, 2, 1]
    pairs = found.beside["external_pairs"]
    assert len(pairs) == 6 and {pair["verdict"] for pair in pairs} == {"kept"}


def test_correlations_of_ranks_are_scipys(monkeypatch: pytest.MonkeyPatch) -> None:
    gaps = {"a": (0.0, 0.4), "b": (0.1, 0.0), "c": (0.2, 0.1), "d": (0.3, 0.2), "e": (0.3, 0.3)}
    values = drawn(5, gaps)
    row = answered(values, monkeypatch).rows[0].columns()
    means = np.array([[side.mean() for side in values[arm, 0]] for arm in gaps]).T
    assert row["tau"] == pytest.approx(stats.kendalltau(*means).statistic)
    assert row["rho"] == pytest.approx(stats.spearmanr(*means).statistic)
    assert row["tau_low"] < row["tau"] <= row["tau_high"]


@given(st.integers(0, 10_000), st.integers(2, 6))
def test_columns_are_correlated_one_by_one(seed: int, arms: int) -> None:
    one, two = np.random.default_rng(seed).integers(0, 4, (2, arms, 5)).astype(float)
    for found, function in (
        (kendall(one, two), stats.kendalltau),
        (rank_correlations(one, two), stats.spearmanr),
    ):
        with np.errstate(all="ignore"):
            for column in range(5):
                if len(set(one[:, column])) > 1 and len(set(two[:, column])) > 1:
                    wanted = function(one[:, column], two[:, column]).statistic
                    assert found[column] == pytest.approx(wanted)
                else:
                    assert np.isnan(found[column])


def test_draws_of_two_sets_of_patients_are_not_the_same() -> None:
    # Patients of one number drawn alike would make both orders err together.
    rng = np.random.default_rng(0)
    arms = {k: {0: both(*[rng.normal(size=50)] * 2)} for k in "abcd"}
    order = order_kept(arms, 1, 400, 1, 0.05)
    assert order.tau[0] == 1 and order.tau[1] < 1


def test_two_arms_have_no_interval_of_a_correlation() -> None:
    rng = np.random.default_rng(0)
    arms = {k: {0: both(*rng.normal(shift, size=(2, 50)))} for k, shift in (("a", 0), ("b", 9))}
    for value, low, high in (lambda order: (order.tau, order.rho))(
        order_kept(arms, 1, 400, 1, 0.05)
    ):
        assert value == 1 and np.isnan([low, high]).all()


def test_networks_are_averaged_where_they_are_not_the_arms(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gaps = {"n1/x": (1.0, 0.5), "n1/y": (0.5, 0.5), "n2/x": (0.6, 0.1), "n2/y": (0.2, 0.2)}
    values = drawn(6, gaps)
    found = answered(values, monkeypatch, axis="pretraining")
    rows = [row.columns() for row in found.rows]
    assert [(row["architecture"], row["arm"], row["n_cells"]) for row in rows] == [
        *(("n1", "x", 1), ("n1", "y", 1), ("n2", "x", 1), ("n2", "y", 1)),
        *(("", "x", 2), ("", "y", 2)),
    ]
    assert rows[4]["drop"] == pytest.approx((rows[0]["drop"] + rows[2]["drop"]) / 2)
    own, there = ((values["n1/x", 0][side] + values["n2/x", 0][side]) / 2 for side in (0, 1))
    wanted = stats.ttest_ind(own, there, equal_var=False)
    assert rows[4]["p_drop"] == pytest.approx(wanted.pvalue)


def test_what_lacks_a_result_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    values = dict(drawn(7, {"a": (1.0, 0.2), "b": (0.8, 0.7)}))
    values["b", 0] = (values["b", 0][0] * np.nan, values["b", 0][1])
    found = answered(values, monkeypatch)
    (row,) = found.rows
    assert row.columns()["n_arms"] == 1 and np.isnan(row.columns()["tau"])
    assert found.left_out == ["holds: the study has no result of b on other; it is left out."]
    assert not found.beside["external_pairs"]


def test_every_fold_has_seen_the_same_films(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = build(tmp_path, 3, networks=["small"])
    cells = [cell["cell"] for cell in study["cells"]]
    study["externals"] = [{"cell": c, "id": c, "tested_on": "other"} for c in cells[:6]]
    rng = np.random.default_rng(0)
    truth = (rng.random((80, 2)) < 0.4).astype(np.float32)
    ids, people = (
        np.array([f"{w}{i // n:02d}" for i in range(80)]) for w, n in (("s", 1), ("p", 2))
    )
    said = {c: rng.random((80, 2)) / 2 + 0.3 * truth for c in cells}

    def ensembles(found: Any, folder: Path, selections: list[str]) -> dict[str, Ensemble]:
        assert selections == ["best"]
        return {"best": Ensemble(ids, people, TASKS, said[folder.name], truth, 1, 80)}

    monkeypatch.setattr(reading, "read_external", lambda name, results: None)
    monkeypatch.setattr(reading, "external_ensembles", ensembles)
    reader = Reader(study, tmp_path)
    first, *_, last = reader.runs
    found = both_of(reader, first, "other", None)
    assert found is not None and found.n_there == 80
    areas = [
        np.mean([roc_auc_score(truth[:, t], said[c][:, t]) for t in range(2)])
        for c in reader.runs[first].cells.values()
    ]
    assert found.there.estimate == pytest.approx(np.mean(areas))
    assert len(found.there.values) == 40 and found.own.estimate == pytest.approx(
        reader.influence(first)[0].estimate
    )
    assert both_of(reader, last, "other", None) is None
    # Were all folds one network, its patients would be as many as they are.
    one = {c: said[cells[0]] for c in cells}
    said.update(one)
    alike = both_of(Reader(study, tmp_path), first, "other", None)
    assert alike is not None
    alone = macro_influence(one[cells[0]], truth, people, [0, 1])
    assert (alike.there.values**2).sum() == pytest.approx((alone.values**2).sum())
