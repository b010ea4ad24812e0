"""The points of correlations: their values and what patients do to them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from unit.statistics.made_up_reader import reader_of

from transfergrid.metrics.influence import Influence
from transfergrid.statistics.basis import Basis
from transfergrid.statistics.comparisons import Compared
from transfergrid.statistics.relations import relate

NETWORKS = ("n0", "n1", "n2", "n3", "n4")
PLACE = {"dataset": "films", "truncation": 0, "protocol": "p"}


ASKED = {"name": "q", "x": "params", "metric": None}


def name(network: str, pretraining: str, seed: int) -> str:
    return f"{network}-{pretraining}-{seed}"


def made() -> Basis:
    rng = np.random.default_rng(0)
    draws, cells, entries = {}, [], []
    for size, network in enumerate(NETWORKS):
        for pretraining in ("random", "imagenet"):
            # The last network has one seed fewer.
            for seed in range(1 if network == "n4" else 2):
                cell = name(network, pretraining, seed)
                draws[cell] = 0.8 + 0.02 * rng.normal(size=300)
                place = {**PLACE, "architecture": network, "pretraining": pretraining}
                entries.append({**place, "cell": cell, "family": "f", "imagenet_top1": 70.0})
                row = {**place, "cell": cell, "selection": "best", "params": 10.0**size}
                cells.append({**row, "score": draws[cell].mean()})
    question = {"name": "boost", "kind": "contrast", "axis": "pretraining", "baseline": "random"}
    question |= {"metric": None}
    compared = [
        Compared(
            SimpleNamespace(estimate=0.01 * number, seeds=(0,), metric="auroc"),  # type: ignore[arg-type]
            question,
            {**PLACE, "architecture": network},
            "imagenet",
            (
                (
                    {0: {"cell": name(network, "imagenet", 0)}},
                    {0: {"cell": name(network, "random", 0)}},
                ),
            ),
        )
        for number, network in enumerate(NETWORKS)
    ]
    study = {"cells": entries, "evaluation": {"primary": "best"}, "questions": [question]}
    runs = {
        cell: Influence(drawn.mean(), np.arange(300), (drawn - drawn.mean()) / 300)
        for cell, drawn in draws.items()
    }
    reader = reader_of(entries, runs, draws)
    return Basis(study, pd.DataFrame(cells), reader, 0.05, {"boost": compared})


def test_a_networks_draws_are_the_mean_over_its_seeds() -> None:
    basis = made()
    reader = basis.reader
    question = {**ASKED, "y": "score", "margin": None, "where": {}}
    found = {one.place["pretraining"]: one for one in relate(question, basis).rows}
    random = found["random"]
    assert random.replicates.shape == (5, 300)
    two = [reader.replicates(name("n1", "random", seed)) for seed in (0, 1)]
    np.testing.assert_allclose(random.replicates[1], np.mean(two, axis=0))
    np.testing.assert_allclose(random.replicates[4], reader.replicates("n4-random-0"))
    np.testing.assert_allclose(random.x, 10.0 ** np.arange(5))
    assert random.row.se_patients > 0 and "patients" in random.row.method


def test_a_boosts_draws_are_differences_of_the_same_draws() -> None:
    basis = made()
    reader = basis.reader
    question = {**ASKED, "y": "boost", "margin": 0.3, "where": {}}
    (found,) = relate(question, basis).rows
    assert found.place["pretraining"] == "imagenet" and found.row.rho == pytest.approx(1)
    expected = reader.replicates("n2-imagenet-0") - reader.replicates("n2-random-0")
    np.testing.assert_allclose(found.replicates[2], expected)
    assert found.row.margin == 0.3
