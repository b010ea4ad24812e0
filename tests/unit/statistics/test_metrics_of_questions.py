"""Answers by other metrics: an AUROC turned upside down, and what has no upper bound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.metrics import log_loss
from unit.statistics.made_up_ensembles import study, write_spec

from transfergrid.evaluation.ensemble import Ensemble, write_ensemble
from transfergrid.metrics.influence import Influence, influence_values
from transfergrid.planning.metrics import built_in
from transfergrid.runtime.atomic import write_json
from transfergrid.statistics.answers import Answers, answer
from transfergrid.statistics.contrasts import Names, contrast_of_influences
from transfergrid.statistics.scale import Scale

NETWORKS = {"small": 0.4, "middle": 0.9, "large": 1.4}
TASKS = ("edema", "fracture")
COST = {
    **built_in("auroc"),
    "name": "cost",
    "function": "unit.statistics.test_metrics_of_questions:cost",
    "estimate": None,
    "interval": None,
    "roc_area": False,
    "higher_is_better": False,
}
RANKS = {**built_in("auroc"), "name": "ranks"}
WHERE: dict[str, Any] = {"where": {}}
QUESTIONS = [
    {"name": "boost", "kind": "contrast", "axis": "pretraining", "baseline": "random", **WHERE},
    {"name": "cut", "kind": "contrast", "axis": "truncation", "baseline": 0, **WHERE},
    {"name": "size", "kind": "correlation", "x": "params", "y": "score", "margin": None, **WHERE},
    {"name": "gain", "kind": "correlation", "x": "params", "y": "boost", "margin": None, **WHERE},
    {"name": "kin", "kind": "family", "groups": None, **WHERE},
    {"name": "noise", "kind": "seed_noise", "axis": "architecture", "contrast": None, **WHERE},
    {
        "name": "of_boost",
        "kind": "seed_noise",
        "axis": "architecture",
        "contrast": "boost",
        **WHERE,
    },
    {"name": "cuts", "kind": "efficiency", "contrast": "cut", "margin": 0.1},
]


def cost(
    scores: NDArray, labels: NDArray, patient: NDArray, **settings: Any
) -> tuple[NDArray, NDArray]:
    """1 minus AUROC."""
    areas, values = influence_values(scores, labels, patient)
    return 1 - areas, -values


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """Write 3 networks x 2 pretrainings x 2 truncations x 2 seeds."""
    results, rng, entries = tmp_path_factory.mktemp("results"), np.random.default_rng(2), []
    labels = (rng.random((150, 2)) < 0.4).astype(np.float32)
    ids = np.array([f"s{i:03d}" for i in range(150)])
    for network, skill in NETWORKS.items():
        for number in range(8):
            pretrained, cut, seed = number & 1, number >> 1 & 1, number >> 2
            pretraining = ("random", "imagenet")[pretrained]
            noise = rng.normal(size=labels.shape)
            logits = labels * (skill + 1.2 * pretrained - 0.05 * cut) + noise - 0.5
            name = f"{network}-{pretraining}-{cut}-{seed}"
            ensemble = Ensemble(ids, ids, TASKS, 1 / (1 + np.exp(-logits)), labels, 1, len(ids))
            for selection in ("best", "last"):
                folder = results / "s" / "ensemble" / name / selection
                write_ensemble(folder / "test.parquet", ensemble)
            write_json(
                results / "cells" / name / "card.json",
                {"score_tasks": list(TASKS), "patients": "known"},
            )
            write_spec(results / "cells" / name, {"weights": {"id": None}})
            place = {"dataset": "films", "architecture": network, "pretraining": pretraining}
            place |= {"truncation": cut, "protocol": "p", "seed": seed, "fold": "all"}
            entries.append({"cell": name, "role": "target", "family": "f", **place})
            entries[-1] |= {"imagenet_top1": 70.0, "source_cell": None}
    return results, entries


def answers(
    grid: tuple[Path, list[dict[str, Any]]], metric: str | None, primary: str = "auroc"
) -> Answers:
    results, entries = grid
    asked: list[dict[str, Any]] = []
    for question in QUESTIONS:
        by = {} if question.get("contrast") else {"metric": metric}
        margin = 0.3 if question["name"] == "cut" else None
        effects = {"margin": margin, "effect": 0.01} if question["kind"] == "contrast" else {}
        asked.append({**effects, **question, "metric": None, **by})
    made = study(entries, asked)
    made["evaluation"]["selections"] = ["best", "last"]
    made["metrics"] = {name: built_in(name) for name in ("auroc", "log_loss")}
    made["metrics"] |= {"cost": COST, "ranks": RANKS}
    made["primary_metric"] = {"films": primary}
    sizes = {network: 10.0 ** (5 + rank) for rank, network in enumerate(NETWORKS)}
    rows = [
        {
            **entry,
            "status": "finished",
            "selection": "best",
            "params": sizes[entry["architecture"]] / (1 + entry["truncation"]),
            "macs": 1e6 / (1 + entry["truncation"]),
            "images_per_second": 10.0 * (1 + entry["truncation"]),
        }
        for entry in entries
    ]
    return answer(made, pd.DataFrame(rows), results)


@pytest.mark.parametrize(("metric", "primary"), [("cost", "auroc"), (None, "cost")])
def test_a_metric_turned_upside_down_gives_the_same_answers(
    grid: Any, metric: str | None, primary: str
) -> None:
    up, down = answers(grid, None).tables, answers(grid, metric, primary).tables
    assert set(up["contrasts"]["metric"]) == {"auroc"}
    assert set(up["contrasts"]["verdict"]) >= {"better", "equivalent"}
    for name in ("contrasts", "correlations", "findings"):
        assert set(down[name]["metric"]) == {"cost"}
    a, b = up["contrasts"], down["contrasts"]
    same = ["contrast", "verdict", "verdict_rests_on"]
    pd.testing.assert_frame_equal(a[same], b[same])
    for name, other in (("estimate", "estimate"), ("low", "high"), ("high", "low")):
        np.testing.assert_allclose(a[name], -b[other], atol=1e-12)
    np.testing.assert_allclose(a["p_difference"], b["p_difference"], rtol=1e-6)
    np.testing.assert_allclose(up["correlations"]["rho"], -down["correlations"]["rho"], atol=1e-9)
    a, b = (one["findings"].set_index(["question", "subject", "quantity"]) for one in (up, down))
    assert list(a.index) == list(b.index)
    change = a.index.get_level_values("quantity").str.startswith("score_change")
    for name in ("value", "low", "high"):
        np.testing.assert_allclose(a[~change][name], b[~change][name], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(a[change]["value"], -b[change]["value"], atol=1e-12)
    np.testing.assert_allclose(a[change]["low"], -b[change]["high"], atol=1e-12)
    blocks = a.xs("blocks_non_inferior", level="quantity")["value"]
    assert 1.0 in set(blocks)


def test_task_by_task_a_metric_has_the_primary_analysis_where_auroc_has_delongs_test(
    grid: Any,
) -> None:
    up, down = (answers(grid, metric).tables["sensitivity"] for metric in (None, "cost"))
    keys = ["subject", "question", "task"]
    delong = up[(up["analysis"] == "DeLong") & (up["question"] == "boost")].set_index(keys)
    found = down[(down["analysis"] == "by task") & (down["question"] == "boost")].set_index(keys)
    assert set(found.index.get_level_values("task")) == set(TASKS)
    assert set(delong.index) <= set(found.index)  # and a mean over networks too
    own = found.loc[delong.index]
    np.testing.assert_allclose(own["estimate"], -delong["estimate"], atol=1e-12)
    assert not (down["analysis"] == "DeLong").any()


def test_an_auroc_under_another_name_is_an_auroc(grid: Any) -> None:
    usual, named = (answers(grid, metric).tables["sensitivity"] for metric in ("auroc", "ranks"))
    assert (named["analysis"] == "DeLong").any()
    contrasts = named["metric"] == "ranks"
    pd.testing.assert_frame_equal(
        named[contrasts].assign(metric="auroc"), usual[usual["metric"] == "auroc"][contrasts]
    )


def test_a_log_loss_is_compared_as_scikit_learn_computes_it(grid: Any) -> None:
    found = answers(grid, "log_loss").tables["contrasts"]
    row = found[found["contrast"].str.startswith("large") & (found["question"] == "boost")].iloc[0]

    def loss(pretraining: str) -> float:
        losses = []
        for seed in (0, 1):
            name = f"large-{pretraining}-0-{seed}"
            table = pd.read_parquet(grid[0] / "s/ensemble" / name / "best/test.parquet")
            losses += [log_loss(table[f"label_{t}"], table[f"prob_{t}"]) for t in TASKS]
        return float(np.mean(losses))

    assert row["estimate"] == pytest.approx(loss("imagenet") - loss("random"), abs=1e-9)
    assert row["verdict"] != "better" or row["estimate"] < 0


def test_an_interval_keeps_to_the_metrics_range() -> None:
    assert Scale.of(built_in("log_loss")) == Scale("log_loss", -1, np.inf)
    assert Scale.of(built_in("sensitivity")).fixed == "operating points from validation scores"
    values = np.array([0.3, -0.3, 0.1, -0.1])
    runs = {seed: Influence(0.1 * seed, np.arange(4), values) for seed in (0, 1)}
    for metric, most in (("auroc", 1.0), ("quadratic_kappa", 2.0), ("log_loss", np.inf)):
        names = Names("c", "q", "films", "a", "b", Scale.of(built_in(metric)))
        other = {seed: Influence(0.1, np.arange(4), -9 * values) for seed in (0, 1)}
        row, _ = contrast_of_influences([(runs, other)], names, 4)
        assert row is not None and row.metric == metric
        assert (-row.low, row.high) == (most, most) if most < 3 else row.high > 3
