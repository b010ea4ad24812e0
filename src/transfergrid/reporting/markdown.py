"""A finished study's results as Markdown tables, for pages of the documentation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from transfergrid.catalog.axes import RUN
from transfergrid.catalog.metrics import METRICS
from transfergrid.planning.grid import ALL
from transfergrid.reporting.folds import answered
from transfergrid.reporting.words import p_value
from transfergrid.runtime.atomic import read_json

TABLES = (
    *("mean_ranks", "rank_pairs", "trials", "mask_states", "observers"),
    *("convergence", "small_data", "similarity", "agreement", "drift", "layer_reset"),
)
"""Tables that a study may have, each with a function of its name."""
_TITLES = {metric.name: metric.title for metric in METRICS}
_NETWORK = ["architecture", "pretraining", "truncation", "protocol"]
_TESTS = {"p_difference": "difference", "p_equivalence": "equivalence"}
_ALIKE = ("cka_debiased", "mean_cca")
_AGREED = ("agreement", "excess_agreement", "kappa", "rank_correlation")


def networks(cells: pd.DataFrame, results: Path) -> str:
    """Return one row per network and recipe: test score by seed, its spread, and validation.

    Args:
        cells: The rows of cells.csv.
        results: The folder of results, for what each training validated.
    """
    every = cells[cells["selection"] == cells["selection"].iloc[0]]
    primary = answered(every) if "fold" in every else every
    primary = primary.assign(
        valid=[_validated(row, every, results) for _, row in primary.iterrows()]
    )
    titles = [_TITLES.get(name, name) for name in primary["metric"].unique()]
    several = "dataset" in primary and primary["dataset"].nunique() > 1
    first = "| data set " if several else ""
    lines = [
        f"{first}| network | weights | cut | recipe | test {' or '.join(titles)}, mean of seeds "
        "| each seed (95 % interval) | validation, best, mean |",
        f"{'|---' * several}|---|---|---:|---|---:|---|---:|",
    ]
    for key, group in primary.groupby(["dataset"] * several + _NETWORK, sort=False):
        seeds = "; ".join(
            f"{row['score']:.3f} ({row['score_low']:.3f}–{row['score_high']:.3f})"
            for row in group.to_dict("records")
        )
        mean, valid = group["score"].mean(), group["valid"].mean()
        lines.append(_row([*key, f"{mean:.3f}", seeds, f"{valid:.3f}"]))
    return "\n".join(lines)


def _validated(row: pd.Series, cells: pd.DataFrame, results: Path) -> float:
    """Return the best validation score of a cell, or the mean of those of a run's folds."""
    folds = [row["cell"]]
    if not (results / "cells" / str(row["cell"])).is_dir():
        same = (cells[list(RUN)] == row[list(RUN)]).all(axis=1) & (cells["fold"] != ALL)
        folds = cells.loc[same, "cell"].tolist()
    files = [results / "cells" / str(cell) / "train.json" for cell in folds]
    return float(pd.Series([read_json(file)["best_valid_score"] for file in files]).mean())


def contrasts(table: pd.DataFrame) -> str:
    """Return one row per row of contrasts.csv, p adjusted within its question."""
    lines = [
        "| contrast | seeds | difference (95 % interval) | adjusted p that the verdict rests on "
        "| verdict |",
        "|---|---:|---:|---|---|",
    ]
    for row in table.to_dict("records"):
        rests_on = row["verdict_rests_on"]
        interval = f"{row['estimate']:+.3f} ({row['low']:+.3f} to {row['high']:+.3f})"
        tested = f"{_TESTS[rests_on]}, {p_value(row[f'{rests_on}_adjusted'])}"
        lines.append(_row([row["contrast"], row["n_seeds"], interval, tested, row["verdict"]]))
    return "\n".join(lines)


def similarity(table: pd.DataFrame) -> str:
    """Return one row per measure, reason and what is compared; a column per layer.

    A value is the mean over the pairs of all data sets, with the mean of their floors' upper ends
    behind it.
    """
    known = table[table["measure"].isin(_ALIKE) & table["value"].notna()].copy()
    known["compared"] = _compared(known)
    layers = known.drop_duplicates("layer").sort_values("depth")["layer"].tolist()
    lines = [
        _row(["measure", "pair", "compared", "pairs", *layers]),
        "|---|---|---|---:|" + "---:|" * len(layers),
    ]
    for key, group in known.groupby(["measure", "pair", "compared"]):
        means = group.groupby("layer")[["value", "floor_high"]].mean().reindex(layers)
        values = [
            f"{_number(value)} ({_number(floor)})"
            for value, floor in zip(means["value"], means["floor_high"], strict=True)
        ]
        pairs = len(group[["left", "right"]].drop_duplicates())
        lines.append(_row([*key, pairs, *values]))
    return "\n".join(lines)


def agreement(table: pd.DataFrame) -> str:
    """Return one row per data set and what sets a pair apart: means over pairs and tasks.

    The columns `baseline` and `ceiling` belong to the agreement of right and wrong.
    """
    known = table[table["measure"].isin(_AGREED) & table["value"].notna()]
    whole = known["task"].isna() | (known["task"] == "")
    one_task = known.groupby("dataset")["task"].transform("nunique") <= 1
    known = known[whole | one_task]
    lines = [
        _row(["data set", "pair", "pairs", *_AGREED, "baseline", "ceiling"]),
        "|---|---|---:|" + "---:|" * (len(_AGREED) + 2),
    ]
    for (dataset, pair), group in known.groupby(["dataset", "pair"], sort=False):
        means = group.groupby("measure")[["value", "baseline", "ceiling"]].mean()
        values = [means["value"].get(name, float("nan")) for name in _AGREED]
        values += [means.loc["agreement", name] for name in ("baseline", "ceiling")]
        pairs = len(group[["left", "right"]].drop_duplicates())
        lines.append(_row([dataset, pair, pairs, *(_number(value) for value in values)]))
    return "\n".join(lines)


def convergence(table: pd.DataFrame) -> str:
    """Return one row per arm of each question in steps: runs that reached the level, and how soon.

    A mean with runs that never reached the level counts them with the horizon, and is a least one.
    """
    lines = [
        "| question | data set | network | arm | reached | median, steps "
        "| mean to the horizon, steps | difference from the baseline (95 % interval) | verdict |",
        "|---|---|---|---|---:|---:|---:|---|---|",
    ]
    for row in table[table["unit"] == "steps"].to_dict("records"):
        least = "≥ " if row["n_reached"] < row["n_runs"] else ""
        parts = [row[key] for key in ("question", "dataset", "architecture", "arm")]
        parts += [f"{row['n_reached']} of {row['n_runs']}", _number(row["median"], 0)]
        parts.append(f"{least}{row['restricted_mean']:.0f} of {row['horizon']:.0f}")
        told = "–" if math.isnan(row["difference"]) else f"{row['difference']:+.0f}"
        if not math.isnan(row["low"]):
            told += f" ({row['low']:+.0f} to {row['high']:+.0f})"
        verdict = "baseline" if row["arm"] == row["baseline"] else row["verdict"]
        lines.append(_row([*parts, told, verdict]))
    return "\n".join(lines)


def small_data(table: pd.DataFrame) -> str:
    """Return one row per arm and number of training patients.

    A ratio that is beyond the sizes that were trained is "beyond".
    """
    lines = [
        "| data set | arm | training patients | quantity | value (95 % interval at this size) "
        "| for all sizes at once | verdict |",
        "|---|---|---:|---|---|---|---|",
    ]
    for row in table.to_dict("records"):
        plus = "+" if row["quantity"].startswith("boost") else ""
        form = "{:.2f}" if row["quantity"] == "data_ratio" else f"{{:{plus}.3f}}"
        value, low, high, least, most = (
            "beyond" if math.isinf(row[key]) else form.format(row[key])
            for key in ("value", "low", "high", "band_low", "band_high")
        )
        verdict, at_once = (
            "" if pd.isna(row[key]) else row[key] for key in ("verdict", "band_verdict")
        )
        if at_once != verdict:
            verdict = f"{verdict}; at once: {at_once}"
        quantity = row["quantity"].replace("_", " ")
        parts = [row["dataset"], row["arm"], row["patients"], quantity]
        lines.append(_row([*parts, f"{value} ({low} to {high})", f"{least} to {most}", verdict]))
    return "\n".join(lines)


def mean_ranks(table: pd.DataFrame) -> str:
    """Return one row per method of each question, the best mean rank first."""
    lines = [
        "| question | method | mean rank | mean score | data sets | Friedman | Iman and Davenport "
        "| critical difference |",
        "|---|---|---:|---:|---:|---|---|---:|",
    ]
    ordered = table.sort_values(["question", "mean_rank"], kind="stable")
    for row in ordered.to_dict("records"):
        tests = [
            f"χ² {_number(row['friedman_chi2'])}, {_p(row['p_friedman'])}",
            f"F {_number(row['iman_davenport_f'])}, {_p(row['p_iman_davenport'])}",
        ]
        parts = [row["question"], row["method"], _number(row["mean_rank"])]
        parts += [_number(row["mean_score"], 3), row["n_datasets"], *tests]
        lines.append(_row([*parts, _number(row["critical_difference"])]))
    return "\n".join(lines)


def rank_pairs(table: pd.DataFrame) -> str:
    """Return one row per pair of methods: by mean ranks, Bayesian signed ranks, mixed model."""
    lines = [
        "| question | a | b | mean rank, a − b | Nemenyi | Conover, adjusted "
        "| better, alike, worse by the signed-rank test | mixed model, a − b (95 % interval) "
        "| adjusted | verdict |",
        "|---|---|---|---:|---|---|---|---:|---|---|",
    ]
    for row in table.to_dict("records"):
        bayes = [_number(row[f"bayes_{name}"]) for name in ("better", "alike", "worse")]
        parts = [row["question"], row["a"], row["b"], f"{row['rank_difference']:+.2f}"]
        parts += [_p(row["p_nemenyi"]), _p(row["p_conover_adjusted"]), ", ".join(bayes)]
        parts += [_difference(row), _p(row["p_mixed_adjusted"]), row["verdict"]]
        lines.append(_row(parts))
    return "\n".join(lines)


def trials(table: pd.DataFrame) -> str:
    """Return one row per arm of each question and place, compared over its trials."""
    lines = [
        "| question | data set | network | arm | baseline | trials | mean (SD) | baseline's "
        "| difference (95 % interval) | test, adjusted p | verdict | with other patients |",
        "|---|---|---|---|---|---:|---:|---:|---:|---|---|---|",
    ]
    for row in table.to_dict("records"):
        network = "" if pd.isna(row["architecture"]) else row["architecture"]
        parts = [row["question"], row["dataset"], network, row["arm"], row["baseline"]]
        parts.append(f"{row['n']} and {row['n_baseline']}")
        parts += [
            f"{_number(row[f'mean{of}'], 3)} ({_number(row[f'sd{of}'], 3)})"
            for of in ("", "_baseline")
        ]
        parts += [_difference(row), f"{row['test']}, {_p(row['p_adjusted'])}", row["verdict"]]
        patients = f"{row['verdict_with_patients']}, {_p(row['p_with_patients_adjusted'])}"
        lines.append(_row([*parts, patients]))
    return "\n".join(lines)


def mask_states(table: pd.DataFrame) -> str:
    """Return one row per cell, or run over folds, and structure, under its first selection."""
    lines = [
        "| cell | structure | films | marked and there | missed | false alarm | both empty |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    counts = ("n", "both", "missed", "false_alarm", "both_empty")
    first = table[table["selection"] == table["selection"].iloc[0]] if len(table) else table
    for row in answered(first).to_dict("records"):
        lines.append(_row([row["cell"], row["task"], *(row[name] for name in counts)]))
    return "\n".join(lines)


def observers(table: pd.DataFrame) -> str:
    """Return one row per further observer of masks, metric and structure."""
    lines = [
        "| data set | observer | metric | structure | value (95 % interval) | films | patients |",
        "|---|---:|---|---|---:|---:|---:|",
    ]
    for row in table.to_dict("records"):
        structure = "mean" if pd.isna(row["task"]) or not row["task"] else row["task"]
        value = f"{row['value']:.3f} ({row['low']:.3f}–{row['high']:.3f})"
        metric = _TITLES.get(row["metric"], row["metric"])
        parts = [row["dataset"], row["observer"], metric, structure, value]
        lines.append(_row([*parts, row["n"], row["n_patients"]]))
    return "\n".join(lines)


def drift(table: pd.DataFrame) -> str:
    """Return one row per network and weights: how far each layer moved, and its angle."""
    known = table[(table["group"] == "all") & table["change"].notna()]
    return _by_layer(known, ("change", "cosine"), "change (cosine)", "{:.2f} ({:.2f})")


def layer_reset(table: pd.DataFrame) -> str:
    """Return one row per network, weights and target: what one layer put back takes away."""
    known = table[table["layer"].notna() & table["difference"].notna()]
    ends = ("difference", "difference_low", "difference_high")
    told = "difference (95 % interval)"
    return _by_layer(known, ends, told, "{:+.3f} ({:+.3f} to {:+.3f})")


def _by_layer(table: pd.DataFrame, columns: tuple[str, ...], told: str, form: str) -> str:
    """Return a row per network, weights and cell, a column per layer."""
    keys = ["dataset", "architecture", "pretraining", "seed"] + ["to"] * ("to" in table)
    layers = table.sort_values("depth")["layer"].drop_duplicates().tolist()
    titles = ["put back to" if key == "to" else key for key in keys]
    lines = [_row([*titles, *(f"{layer}, {told}" for layer in layers)])]
    lines.append("|---" * len(keys) + "|---:" * len(layers) + "|")
    for key, group in table.groupby(keys, sort=False):
        rows = group.set_index("layer")[list(columns)]
        values = [form.format(*rows.loc[name]) if name in rows.index else "–" for name in layers]
        lines.append(_row([*key, *values]))
    return "\n".join(lines)


def _compared(table: pd.DataFrame) -> pd.Series:
    """Return what a row's two sides are: one pretraining or two, and before or after training."""
    left, right = table["left_pretraining"], table["right_pretraining"]
    names = left.where(left == right, left + " and " + right)
    state = table["left_state"].map({"initial": "before", "final": "after"})
    return names.where(table["left_state"] != table["right_state"], names + ", " + state)


def _p(value: float) -> str:
    return p_value(value) or "–"


def _difference(row: Mapping[Any, Any]) -> str:
    """Return a difference with its interval, where it has one."""
    if math.isnan(row["difference"]):
        return "–"
    interval = "" if math.isnan(row["low"]) else f" ({row['low']:+.3f} to {row['high']:+.3f})"
    return f"{row['difference']:+.3f}{interval}"


def _number(value: float, digits: int = 2) -> str:
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def _row(parts: Iterable[object]) -> str:
    return f"| {' | '.join(map(str, parts))} |"
