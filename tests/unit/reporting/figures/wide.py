"""Made-up figure data of any width: many networks, weights and cuts, and long names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from unit.reporting.built_in_words import WORDS

from transfergrid.evaluation.ensemble import Ensemble
from transfergrid.reporting.figures.data import FigureData
from transfergrid.reporting.metric_words import MetricWords

COLUMNS = ("contrast", "question", "axis", "a", "b", "margin", "estimate", "low", "high")
COLUMNS += ("architecture", "pretraining", "truncation")
TASKS = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion")
LONG = "_with_a_name_as_long_as_that_of_any_tag_of_timm.in22k_ft_in1k"


def wide(
    networks: int,
    pretrainings: int = 2,
    cuts: int = 2,
    long: bool = False,
    protocols: int = 1,
    tasks: tuple[str, ...] = TASKS,
) -> FigureData:
    """Return the data of a study; every other network is cut, each cell has two seeds."""
    rng = np.random.default_rng(networks)
    tail = LONG if long else ""
    names = ["random", "imagenet", "films", "statistics"][:pretrainings]
    names = [name if name == "random" or not long else name + LONG for name in names]
    rows = list(_cells([f"net{i:02d}{tail}" for i in range(networks)], names, cuts, protocols, rng))
    sizes = {"n": 240, "n_pos": 40, "low": 0.4, "high": 0.9}
    scores = [
        {"cell": row["cell"], "metric": metric, "task": task, "value": rng.uniform(0.5, 0.99)}
        | sizes
        for row in rows
        for task in tasks
        for metric in ("auroc", "average_precision")
    ]
    cells = pd.DataFrame(rows)
    curves = [(0.5 + 0.05 * step, 900 * step) for step in range(1, 6)]
    history = [
        {"valid_score": score, "examples": seen, "step": seen / 32, "images_per_second": 800.0}
        | {"train_loss": 1 - score, "valid_loss": 1.1 - score}
        for score, seen in curves
    ]
    reached = _reached(cells, names)
    return FigureData(
        cells=cells,
        contrasts=_contrasts(cells, names, rng),
        correlations=_correlations(names),
        small_data=_small_data(names),
        histories={cell: history for cell in cells["cell"]},
        imagenet_top1={name: 60 + 20 * rng.random() for name in cells["architecture"].unique()},
        reliability=_reliability(names),
        scores=pd.DataFrame(scores),
        metrics=WORDS,
        convergence=_horizons(reached),
        reached=reached,
        ensembles=dict.fromkeys(cells["cell"], _ensemble(tasks, rng)),
        gains=_gains(cells, rng),
        findings=_gain_findings(cells),
        mean_ranks=pd.concat([mean_ranks_of(names, net) for net in ("net00", "net01")])
        if len(names) > 1
        else pd.DataFrame(),
    )


def mean_ranks_of(
    names: list[str], architecture: str, means: list[float] | None = None, critical: float = 1.2
) -> pd.DataFrame:
    """Rows of mean_ranks.csv for methods of these names."""
    same = {"question": "order", "axis": "pretraining", "architecture": architecture}
    same |= {"pretraining": np.nan, "truncation": 0, "protocol": np.nan, "n_datasets": 6}
    same |= {"critical_difference": critical, "n_methods": len(names), "metric": "auroc"}
    ranks = means or [1 + 0.9 * place for place in range(len(names))]
    return pd.DataFrame(
        {**same, "method": name, "mean_rank": rank} for name, rank in zip(names, ranks, strict=True)
    )


SAME = {"question": "alike", "truncation": 0, "metric": "auroc"}


def _gains(cells: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Points of similarity and gain: three layers of the first two networks, on two data sets."""
    same = {**SAME, "pair": "before_after", "measure": "cka_debiased", "fold": "all"}
    same |= {"baseline": "random"}
    whole = cells[cells["truncation"] == 0]
    whole = whole[whole["architecture"].isin(whole["architecture"].unique()[:2])]
    whole = whole[whole["pretraining"] != "random"]
    return pd.DataFrame(
        {**same, **{axis: row[axis] for axis in ("architecture", "pretraining", "protocol")}}
        | {"dataset": dataset, "layer": f"block{depth}", "depth": depth}
        | {"similarity": rng.uniform(0.1, 0.9), "gain": rng.normal(0, 0.02)}
        for dataset in ("films", "other_films")
        for depth in range(1, 4)
        for row in whole.to_dict("records")
    )


def _gain_findings(cells: pd.DataFrame) -> pd.DataFrame:
    places = cells[["architecture", "pretraining", "protocol"]].drop_duplicates()
    return pd.DataFrame(
        {**SAME, **place, "quantity": quantity, "value": -0.4, "low": -0.812, "high": 0.312}
        | {"subject": f"{place['architecture']}; cka_debiased of block{depth}, before_after"}
        for place in places.to_dict("records")
        for depth in range(1, 4)
        for quantity in ("pooled_r", "within_r")
    )


def _cells(
    networks: list[str], names: list[str], cuts: int, protocols: int, rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    for number, network in enumerate(networks):
        params = 10 ** rng.uniform(5.5, 8)
        for pretraining in names:
            for cut in range(cuts + 1 if number % 2 == 0 else 1):
                for protocol in range(protocols):
                    base = float(rng.uniform(0.7, 0.9))
                    for seed in range(2):
                        score = base + 0.01 * rng.normal()
                        yield {
                            "cell": f"{network}-{pretraining}-{cut}-{protocol}-{seed}",
                            "dataset": "films",
                            "protocol": f"recipe{protocol}",
                            "architecture": network,
                            "pretraining": pretraining,
                            "truncation": cut,
                            "seed": seed,
                            "params": params * 0.6**cut,
                            "metric": "auroc",
                            "score": score,
                            "score_low": score - 0.03,
                            "score_high": score + 0.03,
                            "n_studies": 240,
                            "n_patients": 160,
                        }


def _contrasts(cells: pd.DataFrame, names: list[str], rng: np.random.Generator) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    same = {"metric": "auroc", "dataset": "films", "n_cells": 1, "n_cells_asked": 1, "n_seeds": 2}
    same |= {"method": "paired t", "n_studies": 240, "n_patients": 160, "protocol": "recipe0"}

    def add(**place: Any) -> None:
        estimate = float(rng.normal(0, 0.03))
        bounds = {"estimate": estimate, "low": estimate - 0.03, "high": estimate + 0.03}
        rows.append({**same, "contrast": str(len(rows)), "margin": np.nan, **place, **bounds})

    for network in cells["architecture"].unique():
        for name in names[1:]:
            place = {"question": "boost", "axis": "pretraining", "a": name, "b": "random"}
            add(**place, architecture=network, pretraining=np.nan, truncation=0)
    cut = cells[cells["truncation"] > 0]
    for network, name in dict.fromkeys(zip(cut["architecture"], cut["pretraining"], strict=True)):
        place = {"question": "cut", "axis": "truncation", "a": "1", "b": "0", "margin": 0.02}
        add(**place, architecture=network, pretraining=name, truncation=np.nan)
    return pd.DataFrame(rows, columns=[*same, *COLUMNS])


def _small_data(names: list[str]) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    same = {"question": "few", "metric": "auroc", "axis": "pretraining", "dataset": "films"}
    same |= {"quantity": "score", "n_seeds": 3, "n_sizes": 5, "method": "Cochran's t"}
    for network in ("net00", "net01"):
        for place, name in enumerate(names):
            for size in (50, 100, 200, 400, 800):
                value = 0.6 + 0.04 * np.log(size / 50) + 0.03 * place
                ends = {"low": value - 0.02, "high": value + 0.02}
                ends |= {"band_low": value - 0.04, "band_high": value + 0.04}
                where = {"architecture": network, "pretraining": np.nan, "truncation": 0}
                rows.append(
                    {**same, **where, "arm": name, "patients": size, "value": value, **ends}
                )
    return pd.DataFrame(rows)


def _correlations(names: list[str]) -> pd.DataFrame:
    same = {"dataset": "films", "truncation": 0, "protocol": "", "n": 16, "method": "Fisher z"}
    same |= {"metric": "auroc"}
    return pd.DataFrame(
        [
            {**same, "x": x, "y": y, "pretraining": name, "rho": -0.43, "low": -0.81, "high": 0.12}
            for x in ("imagenet_top1", "params")
            for y in ("score", "boost")
            for name in names
        ]
    )


def _reached(cells: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Whole networks from all weights, of which one seed in two reaches .7."""
    whole = cells[cells["truncation"] == 0] if len(names) > 1 else cells.iloc[:0]
    there = whole["seed"] == 0
    return whole[["cell", "seed", "dataset", "architecture", "truncation", "protocol"]].assign(
        question="speed",
        axis="pretraining",
        arm=whole["pretraining"],
        baseline="random",
        pretraining=np.nan,
        metric="auroc",
        level=0.7,
        reached=there,
        steps=np.where(there, 900 * 4 / 32, 900 * 5 / 32),
    )


def _horizons(reached: pd.DataFrame) -> pd.DataFrame:
    place = ["question", "dataset", "architecture", "pretraining", "truncation", "protocol"]
    return reached[place].drop_duplicates().assign(unit="steps", horizon=900 * 5 / 32)


def _ensemble(tasks: tuple[str, ...], rng: np.random.Generator) -> Ensemble:
    shape = 240, len(tasks)
    ids = np.array([f"study{number}" for number in range(shape[0])])
    labels = (np.arange(shape[0]) < 40).astype(np.float32)[:, None].repeat(len(tasks), 1)
    return Ensemble(ids, ids, tasks, rng.random(shape), labels, 3, shape[0])


def _reliability(names: list[str]) -> pd.DataFrame:
    places = np.linspace(0.05, 0.95, 10)
    same = {"dataset": "films", "n_networks": 4, "n_cells": 8, "n_cells_left_out": 2}
    same |= {"ece": 0.021, "brier": 0.141, "n": 1200, "n_cases": 12000}
    same |= {"n_studies": 240, "n_patients": 160}
    return pd.DataFrame(
        [
            {**same, "comparison": part, "pretraining": name, "bin": number, "predicted": at}
            | {"observed": at, "low": at - 0.04, "high": at + 0.04}
            for part in ("all", "two")
            for name in (names if part == "all" else names[:2])
            for number, at in enumerate(places)
        ]
    )


def as_loss(data: FigureData) -> FigureData:
    """Return the same study scored by a loss: lower is better, and without an upper bound."""

    def loss(table: pd.DataFrame, value: str, low: str, high: str) -> pd.DataFrame:
        here = table[table["metric"] == "auroc"]
        turned = {name: 14 * (1 - here[other]) for name, other in ((low, high), (high, low))}
        return here.assign(**turned, **{value: 14 * (1 - here[value]), "metric": "log_loss"})

    ends = {"band_low": "band_high", "band_high": "band_low"}
    bands = {name: 14 * (1 - data.small_data[other]) for name, other in ends.items()}
    contrasts = data.contrasts.assign(metric="log_loss")
    for name in ("estimate", "low", "high", "margin"):
        contrasts[name] = 14 * contrasts[name]
    gains = data.gains.assign(metric="log_loss", gain=14 * data.gains["gain"])
    histories = {
        cell: [{**line, "valid_score": 14 - 10 * line["valid_score"]} for line in lines]
        for cell, lines in data.histories.items()
    }
    return replace(
        data,
        cells=loss(data.cells, "score", "score_low", "score_high"),
        scores=loss(data.scores, "value", "low", "high"),
        contrasts=contrasts,
        correlations=data.correlations.assign(metric="log_loss"),
        gains=gains,
        findings=data.findings.assign(metric="log_loss"),
        mean_ranks=data.mean_ranks.assign(metric="log_loss"),
        reached=data.reached.assign(metric="log_loss", level=14 - 10 * data.reached["level"]),
        small_data=loss(data.small_data, "value", "low", "high").assign(**bands),
        histories=histories,
        metrics={**data.metrics, "log_loss": MetricWords("Log loss", True, False, 0.0)},
    )


def beside(data: FigureData, other: FigureData) -> FigureData:
    """Return a study of two data sets, the second of which has a metric of its own."""

    def both(name: str) -> pd.DataFrame:
        second = getattr(other, name).copy()
        for column, prefix in (("dataset", "scans"), ("cell", "scans-"), ("question", "loss_")):
            if column in second:
                second[column] = prefix if column == "dataset" else prefix + second[column]
        return pd.concat([getattr(data, name), second], ignore_index=True)

    tables = ("cells", "scores", "contrasts", "correlations", "reliability", "gains", "findings")
    tables += ("convergence", "reached")
    tables = (*tables, "small_data")
    renamed = {f"scans-{cell}": lines for cell, lines in other.histories.items()}
    return replace(
        data,
        **{name: both(name) for name in tables},
        histories={**data.histories, **renamed},
        metrics=other.metrics,
    )


def folded(data: FigureData, k: int = 2) -> FigureData:
    """Return the same study with every cell trained once a fold, of which its row is the pool."""
    parts = [
        data.cells.assign(cell=[f"{cell}-{fold}" for cell in data.cells["cell"]], fold=str(fold))
        for fold in range(k)
    ]
    histories = {
        f"{cell}-{fold}": lines for cell, lines in data.histories.items() for fold in range(k)
    }
    return replace(
        data,
        cells=data.cells.assign(fold="all"),
        folds=pd.concat(parts, ignore_index=True),
        histories=histories,
        ensembles={name: next(iter(data.ensembles.values())) for name in histories},
    )
