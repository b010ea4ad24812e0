"""A finished study's results as Markdown tables, for pages of the documentation."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from transfergrid.reporting.words import p_value
from transfergrid.runtime.atomic import read_json

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
    primary = cells[cells["selection"] == cells["selection"].iloc[0]].copy()
    primary["valid"] = [
        read_json(results / "cells" / cell / "train.json")["best_valid_score"]
        for cell in primary["cell"]
    ]
    known = {"auroc": "AUROC"}
    titles = [known.get(name, name) for name in primary["metric"].unique()]
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


def _number(value: float, digits: int = 2) -> str:
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def _row(parts: Iterable[object]) -> str:
    return f"| {' | '.join(map(str, parts))} |"
