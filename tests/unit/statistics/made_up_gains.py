"""Scores and similarities in which networks that stay more alike gain less within a target."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
from unit.statistics.made_up_reader import reader_of

from transfergrid.statistics.basis import Basis

SHIFT = {"breast": 0.0, "chest": 0.1, "knee": 0.2}
ARMS = ("random", "imagenet", "radimagenet")
SEEDS = range(4)


def cells_of(folds: int = 0) -> pd.DataFrame:
    """Within a target, networks that stay more alike gain less; targets turn that around."""
    rows = []
    numbers = itertools.product(SHIFT, ARMS, SEEDS, range(folds) if folds else ["all"])
    for dataset, arm, seed, fold in numbers:
        base = 0.6 + 0.01 * seed + (0.02 * fold if folds else 0)
        gain = 0.0 if arm == "random" else 0.1 + SHIFT[dataset] - 0.1 * likeness(arm, seed)
        place = {"dataset": dataset, "architecture": "net", "truncation": 0}
        rows.append(
            {
                "cell": f"{dataset}-{arm}-{seed}-{fold}",
                **place,
                "fold": str(fold),
                "pretraining": arm,
                "protocol": "p",
                "seed": seed,
                "selection": "best",
                "metric": "auroc",
                "score": base + gain,
            }
        )
        if fold == 0:
            rows.append({**rows[-1], "cell": f"{dataset}-{arm}-{seed}", "fold": "all", "score": 9})
    return pd.DataFrame(rows)


def likeness(arm: str, seed: int) -> float:
    return 0.2 * seed + 0.05 * (arm == "imagenet")


def row(
    pair: str, dataset: str, left: tuple, right: tuple, value: float, fold: Any = "all"
) -> dict:
    ends = zip(("left", "right"), (left, right), strict=True)
    named = {
        f"{side}_{key}": one
        for side, end in ends
        for key, one in zip(("pretraining", "protocol", "seed", "state"), end, strict=True)
    }
    place = {"dataset": dataset, "fold": str(fold), "architecture": "net", "truncation": 0}
    return {
        **place,
        **named,
        "pair": pair,
        "layer": "block1",
        "depth": 1,
        "measure": "cka",
        "value": value,
        "low": value - 0.05,
        "high": value + 0.05,
    }


def similarity_of(folds: int = 0) -> pd.DataFrame:
    rows = []
    numbers = itertools.product(SHIFT, ARMS, SEEDS, range(folds) if folds else ["all"])
    for dataset, arm, seed, fold in numbers:
        start = (arm, np.nan, float(seed) if arm == "random" else np.nan, "initial")
        end = (arm, "p", float(seed), "final")
        value = SHIFT[dataset] + likeness(arm, seed)
        rows.append(row("before_after", dataset, start, end, value, fold))
        if arm == "radimagenet":
            rows.append(row("sources_after", dataset, ("imagenet", *end[1:]), end, 0.3, fold))
            rows.append(row("random", dataset, ("random", *end[1:]), end, value, fold))
    for dataset in SHIFT:
        released = [(arm, np.nan, np.nan, "initial") for arm in ARMS[1:]]
        rows.append(row("sources_before", dataset, *released, 0.55))
        drawn = [("random", np.nan, float(seed), "initial") for seed in (0, 1)]
        rows.append(row("seeds", dataset, *drawn, 0.2))
    rows.append({**rows[0], "layer": np.nan, "measure": np.nan, "value": np.nan})  # diverged
    return pd.DataFrame(rows)


def basis_of(cells: pd.DataFrame, **compared: pd.DataFrame) -> Basis:
    entries = [{**one, "family": "f", "role": "target"} for one in cells.to_dict("records")]
    reader = reader_of(entries, {}, {})
    reader.metric_of = lambda dataset, name=None: {"name": "auroc", "higher_is_better": True}
    study = {"primary_metric": dict.fromkeys(SHIFT, "auroc")}
    return Basis(study, cells, reader, 0.05, compared=compared)
