"""A finished study's results as Markdown tables, for pages of the documentation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from transfergrid.catalog.axes import RUN
from transfergrid.catalog.metrics import METRICS
from transfergrid.planning.grid import ALL
from transfergrid.planning.stamps import read_named, stamps_in
from transfergrid.reporting.folds import answered
from transfergrid.reporting.words import NOTHING, known, level, p_value
from transfergrid.runtime.atomic import read_json
from transfergrid.runtime.errors import UserError

TABLES = (
    *("mean_ranks", "rank_pairs", "trials", "mask_states", "observers"),
    *("convergence", "small_data", "similarity", "agreement", "drift", "layer_reset"),
)
"""Tables that a study may have, each with a function of its name, of the table and `level_of`."""
_TITLES = {metric.name: metric.title for metric in METRICS}
_NETWORK = ["architecture", "pretraining", "truncation", "protocol"]
_TESTS = {"p_difference": "difference", "p_equivalence": "equivalence"}
_ALIKE = ("cka_debiased", "mean_cca")
_AGREED = ("agreement", "excess_agreement", "kappa", "rank_correlation")


def level_of(study: str, results: Path) -> str:
    """Return the level of a study's intervals in words, such as ``95 %``.

    Args:
        study: Its name.
        results: The folder of results.

    Raises:
        UserError: No stamp says it.
    """
    stamps = stamps_in(results / "stamps")
    found = [path for name, path in stamps if (name.owner, name.stage) == (study, "statistics")]
    if not found:
        raise UserError(
            f"{results / 'stamps'} does not say what intervals study '{study}' asks for; name the "
            "folder of results that the study was run into."
        )
    return level(float(read_named(found[-1])["evaluation"]["confidence"]))


def networks(cells: pd.DataFrame, told: str, results: Path) -> str:
    """Return one row per network and recipe: test score by seed, its spread, and validation.

    Args:
        cells: The rows of cells.csv.
        told: The level of intervals, see `level_of`.
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
        f"| each seed ({told} interval) | validation, best, mean |",
        f"{'|---' * several}|---|---|---:|---|---:|---|---:|",
    ]
    for key, group in primary.groupby(["dataset"] * several + _NETWORK, sort=False):
        seeds = "; ".join(
            _with_ends(row["score"], row["score_low"], row["score_high"], between="–")
            for row in group.to_dict("records")
        )
        mean, valid = group["score"].mean(), group["valid"].mean()
        lines.append(_row([*key, _number(mean, 3), seeds, _number(valid, 3)]))
    return "\n".join(lines)


def _validated(row: pd.Series, cells: pd.DataFrame, results: Path) -> float:
    """Return the best validation score of a cell, or the mean of those of a run's folds."""
    folds = [row["cell"]]
    if not (results / "cells" / str(row["cell"])).is_dir():
        same = (cells[list(RUN)] == row[list(RUN)]).all(axis=1) & (cells["fold"] != ALL)
        folds = cells.loc[same, "cell"].tolist()
    files = [results / "cells" / str(cell) / "train.json" for cell in folds]
    scores = [read_json(file)["best_valid_score"] for file in files]
    return float(pd.Series(scores, dtype="float64").mean())  # null where there was none


def contrasts(table: pd.DataFrame, told: str) -> str:
    """Return one row per row of contrasts.csv, p adjusted within its question."""
    lines = [
        f"| contrast | seeds | difference ({told} interval) | adjusted p that the verdict rests on "
        "| verdict |",
        "|---|---:|---:|---|---|",
    ]
    for row in table.to_dict("records"):
        rests_on = row["verdict_rests_on"]
        interval = _with_ends(row["estimate"], row["low"], row["high"], "+")
        tested = NOTHING
        if known(rests_on):
            tested = f"{_TESTS[rests_on]}, {_p(row[f'{rests_on}_adjusted'])}"
        lines.append(
            _row([row["contrast"], _number(row["n_seeds"], 0), interval, tested, row["verdict"]])
        )
    return "\n".join(lines)


def similarity(table: pd.DataFrame, _: str) -> str:
    """Return one row per measure, reason and what is compared; a column per layer.

    A value is the mean over the pairs of all data sets, with the mean of their floors' upper ends
    behind it.
    """
    there = table[table["measure"].isin(_ALIKE) & table["value"].notna()].copy()
    there["compared"] = _compared(there)
    layers = there.drop_duplicates("layer").sort_values("depth")["layer"].tolist()
    lines = [
        _row(["measure", "pair", "compared", "pairs", *layers]),
        "|---|---|---|---:|" + "---:|" * len(layers),
    ]
    for key, group in there.groupby(["measure", "pair", "compared"]):
        means = group.groupby("layer")[["value", "floor_high"]].mean().reindex(layers)
        values = [
            f"{_number(value)} ({_number(floor)})"
            for value, floor in zip(means["value"], means["floor_high"], strict=True)
        ]
        pairs = len(group[["left", "right"]].drop_duplicates())
        lines.append(_row([*key, pairs, *values]))
    return "\n".join(lines)


def agreement(table: pd.DataFrame, _: str) -> str:
    """Return one row per data set and what sets a pair apart: means over pairs and tasks.

    The columns `baseline` and `ceiling` belong to the agreement of right and wrong.
    """
    there = table[table["measure"].isin(_AGREED) & table["value"].notna()]
    whole = there["task"].isna() | (there["task"] == "")
    one_task = there.groupby("dataset")["task"].transform("nunique") <= 1
    there = there[whole | one_task]
    lines = [
        _row(["data set", "pair", "pairs", *_AGREED, "baseline", "ceiling"]),
        "|---|---|---:|" + "---:|" * (len(_AGREED) + 2),
    ]
    for (dataset, pair), group in there.groupby(["dataset", "pair"], sort=False):
        means = group.groupby("measure")[["value", "baseline", "ceiling"]].mean()
        values = [means["value"].get(name, float("nan")) for name in _AGREED]
        whole_means = means.reindex(["agreement"]).loc["agreement"]
        values += [whole_means[name] for name in ("baseline", "ceiling")]
        pairs = len(group[["left", "right"]].drop_duplicates())
        lines.append(_row([dataset, pair, pairs, *(_number(value) for value in values)]))
    return "\n".join(lines)


def convergence(table: pd.DataFrame, told: str) -> str:
    """Return one row per arm of each question in steps: runs that reached the level, and how soon.

    A mean with runs that never reached the level counts them with the horizon, and is a least one.
    """
    lines = [
        "| question | data set | network | arm | reached | median, steps "
        f"| mean to the horizon, steps | difference from the baseline ({told} interval) "
        "| verdict |",
        "|---|---|---|---|---:|---:|---:|---|---|",
    ]
    for row in table[table["unit"] == "steps"].to_dict("records"):
        least = "≥ " if row["n_reached"] < row["n_runs"] else ""
        parts = [row[key] for key in ("question", "dataset", "architecture", "arm")]
        parts += [
            f"{_number(row['n_reached'], 0)} of {_number(row['n_runs'], 0)}",
            _number(row["median"], 0),
            f"{least}{_number(row['restricted_mean'], 0)} of {_number(row['horizon'], 0)}",
            _with_ends(row["difference"], row["low"], row["high"], "+", 0),
        ]
        verdict = "baseline" if row["arm"] == row["baseline"] else row["verdict"]
        lines.append(_row([*parts, verdict]))
    return "\n".join(lines)


def small_data(table: pd.DataFrame, told: str) -> str:
    """Return one row per arm and number of training patients.

    A ratio that is beyond the sizes that were trained is "beyond".
    """
    lines = [
        f"| data set | arm | training patients | quantity | value ({told} interval at this size) "
        "| for all sizes at once | verdict |",
        "|---|---|---:|---|---|---|---|",
    ]
    for row in table.to_dict("records"):
        plus = "+" if row["quantity"].startswith("boost") else ""
        digits = 2 if row["quantity"] == "data_ratio" else 3
        value, low, high, least, most = (
            "beyond" if math.isinf(row[key]) else _number(row[key], digits, plus)
            for key in ("value", "low", "high", "band_low", "band_high")
        )
        verdict, at_once = (
            "" if pd.isna(row[key]) else row[key] for key in ("verdict", "band_verdict")
        )
        if at_once != verdict:
            verdict = f"{verdict}; at once: {at_once}"
        quantity = row["quantity"].replace("_", " ")
        parts = [row["dataset"], row["arm"], _number(row["patients"], 0), quantity]
        bounds = [
            NOTHING if {*ends} == {NOTHING} else " to ".join(ends)
            for ends in ((low, high), (least, most))
        ]
        if bounds[0] != NOTHING:
            value = f"{value} ({bounds[0]})"
        lines.append(_row([*parts, value, bounds[1], verdict]))
    return "\n".join(lines)


def mean_ranks(table: pd.DataFrame, _: str) -> str:
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
        parts += [_number(row["mean_score"], 3), _number(row["n_datasets"], 0), *tests]
        lines.append(_row([*parts, _number(row["critical_difference"])]))
    return "\n".join(lines)


def rank_pairs(table: pd.DataFrame, told: str) -> str:
    """Return one row per pair of methods: by mean ranks, Bayesian signed ranks, mixed model."""
    lines = [
        "| question | a | b | mean rank, a − b | Nemenyi | Conover, adjusted "
        f"| better, alike, worse by the signed-rank test | mixed model, a − b ({told} interval) "
        "| adjusted | verdict |",
        "|---|---|---|---:|---|---|---|---:|---|---|",
    ]
    for row in table.to_dict("records"):
        bayes = [_number(row[f"bayes_{name}"]) for name in ("better", "alike", "worse")]
        parts = [row["question"], row["a"], row["b"], _number(row["rank_difference"], sign="+")]
        parts += [_p(row["p_nemenyi"]), _p(row["p_conover_adjusted"]), ", ".join(bayes)]
        parts += [_difference(row), _p(row["p_mixed_adjusted"]), row["verdict"]]
        lines.append(_row(parts))
    return "\n".join(lines)


def trials(table: pd.DataFrame, told: str) -> str:
    """Return one row per arm of each question and place, compared over its trials."""
    lines = [
        "| question | data set | network | arm | baseline | trials | mean (SD) | baseline's "
        f"| difference ({told} interval) | test, adjusted p | verdict | with other patients |",
        "|---|---|---|---|---|---:|---:|---:|---:|---|---|---|",
    ]
    for row in table.to_dict("records"):
        network = "" if pd.isna(row["architecture"]) else row["architecture"]
        parts = [row["question"], row["dataset"], network, row["arm"], row["baseline"]]
        parts.append(f"{_number(row['n'], 0)} and {_number(row['n_baseline'], 0)}")
        parts += [
            f"{_number(row[f'mean{of}'], 3)} ({_number(row[f'sd{of}'], 3)})"
            for of in ("", "_baseline")
        ]
        parts += [_difference(row), _with_p(row, "test", "p_adjusted"), row["verdict"]]
        patients = _with_p(row, "verdict_with_patients", "p_with_patients_adjusted")
        lines.append(_row([*parts, patients]))
    return "\n".join(lines)


def mask_states(table: pd.DataFrame, _: str) -> str:
    """Return one row per cell, or run over folds, and structure, under its first selection.

    What is missed most comes first; a structure that is marked in none of its films is flagged.
    """
    lines = [
        "| cell | structure | films | drawn and marked | missed | false alarm | both empty |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    counts = ("n", "both", "missed", "false_alarm", "both_empty")
    first = table[table["selection"] == table["selection"].iloc[0]] if len(table) else table
    for row in _missed_first(answered(first)).to_dict("records"):
        told = {name: _number(row[name], 0) for name in counts}
        if row["both"] == 0 and row["missed"] > 0:
            told["missed"] += ", never marked"
        lines.append(_row([row["cell"], row["task"], *told.values()]))
    return "\n".join(lines)


def _missed_first(rows: pd.DataFrame) -> pd.DataFrame:
    """Order structures, and the cells of each, by the share of their films that is missed."""
    total = rows.groupby("task", sort=False)[["missed", "both"]].transform("sum")
    shares = pd.DataFrame(
        {
            "structure": -total["missed"] / total.sum(axis=1),
            "task": pd.factorize(rows["task"])[0],
            "cell": -rows["missed"] / (rows["missed"] + rows["both"]),
        },
        index=rows.index,
    )
    return rows.loc[shares.sort_values(["structure", "task", "cell"], kind="stable").index]


def observers(table: pd.DataFrame, told: str) -> str:
    """Return one row per further observer of masks, metric and structure."""
    lines = [
        f"| data set | observer | metric | structure | value ({told} interval) | films "
        "| patients |",
        "|---|---:|---|---|---:|---:|---:|",
    ]
    for row in table.to_dict("records"):
        structure = "mean" if pd.isna(row["task"]) or not row["task"] else row["task"]
        value = _with_ends(row["value"], row["low"], row["high"], between="–")
        metric = _TITLES.get(row["metric"], row["metric"])
        parts = [row["dataset"], row["observer"], metric, structure, value]
        lines.append(_row([*parts, *(_number(row[name], 0) for name in ("n", "n_patients"))]))
    return "\n".join(lines)


def drift(table: pd.DataFrame, _: str) -> str:
    """Return one row per network and weights: how far each layer moved, and its angle."""
    moved = table[(table["group"] == "all") & table["change"].notna()]
    return _by_layer(moved, "change (cosine)", _moved)


def layer_reset(table: pd.DataFrame, told: str) -> str:
    """Return one row per network, weights and target: what one layer put back takes away."""
    scored = table[table["layer"].notna() & table["difference"].notna()]
    return _by_layer(scored, f"difference ({told} interval)", _put_back)


def _moved(row: Mapping[Any, Any]) -> str:
    return f"{_number(row['change'])} ({_number(row['cosine'])})"


def _put_back(row: Mapping[Any, Any]) -> str:
    return _with_ends(row["difference"], row["difference_low"], row["difference_high"], "+")


def _by_layer(table: pd.DataFrame, told: str, form: Callable[[Mapping[Any, Any]], str]) -> str:
    """Return a row per network, weights and cell, a column per layer."""
    keys = ["dataset", "architecture", "pretraining", "seed"] + ["to"] * ("to" in table)
    layers = table.sort_values("depth")["layer"].drop_duplicates().tolist()
    titles = ["put back to" if key == "to" else key for key in keys]
    lines = [_row([*titles, *(f"{layer}, {told}" for layer in layers)])]
    lines.append("|---" * len(keys) + "|---:" * len(layers) + "|")
    for key, group in table.groupby(keys, sort=False):
        there = {row["layer"]: form(row) for row in group.to_dict("records")}
        values = [there.get(name, NOTHING) for name in layers]
        lines.append(_row([*key, *values]))
    return "\n".join(lines)


def _compared(table: pd.DataFrame) -> pd.Series:
    """Return what a row's two sides are: one pretraining or two, and before or after training."""
    left, right = table["left_pretraining"], table["right_pretraining"]
    names = left.where(left == right, left + " and " + right)
    state = table["left_state"].map({"initial": "before", "final": "after"})
    return names.where(table["left_state"] != table["right_state"], names + ", " + state)


def _p(value: float) -> str:
    return p_value(value) or NOTHING


def _with_p(row: Mapping[Any, Any], what: str, p: str) -> str:
    """Return a test or a verdict with its p-value; a dash where there is none of them."""
    return f"{row[what]}, {_p(row[p])}" if known(row[what]) else NOTHING


def _difference(row: Mapping[Any, Any]) -> str:
    """Return a difference with its interval, where it has one."""
    return _with_ends(row["difference"], row["low"], row["high"], "+")


def _with_ends(
    value: float, low: float, high: float, sign: str = "", digits: int = 3, between: str = " to "
) -> str:
    """Return a number with its interval, without one alone, and a dash where it is undefined."""
    ends = [_number(end, digits, sign) for end in (low, high)]
    there = known(value) and known(low) and known(high)
    return _number(value, digits, sign) + (f" ({between.join(ends)})" if there else "")


def _number(value: float, digits: int = 2, sign: str = "") -> str:
    return f"{value:{sign}.{digits}f}" if known(value) else NOTHING


def _row(parts: Iterable[object]) -> str:
    return (
        f"| {' | '.join(str(part) if part == '' or known(part) else NOTHING for part in parts)} |"
    )
