"""The tables of the made-up study, computed without the project's own statistics."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.metrics import roc_auc_score
from unit.reporting.made_up_scores import SCORE_TASKS, TASKS, Truth, logits_of, truth
from unit.reporting.made_up_study import (
    SELECTIONS,
    TRUNCATED,
    is_diverged,
    is_missing,
)

from transfergrid.catalog.converged import BUDGETS, CONVERGENCE, REACHED
from transfergrid.catalog.external_question import EXTERNAL_ARMS, EXTERNAL_PAIRS
from transfergrid.catalog.mask_states_table import MASK_STATES
from transfergrid.catalog.ranked import MEAN_RANKS, RANK_PAIRS, TRIALS


def row_of(
    entry: dict[str, Any], known: Truth, architectures: dict[str, tuple], selection: str
) -> dict[str, Any]:
    """A row of cells.csv, computed with scikit-learn and a rough interval."""
    bad = "missing" if is_missing(entry) else "diverged" if is_diverged(entry) else "finished"
    _, _, _, params, macs, _ = architectures[entry["architecture"]]
    share = 0.6 if entry["truncation"] else 1.0
    axes = ["cell", "dataset", "architecture", "family", "pretraining", "truncation"]
    row: dict[str, Any] = {axis: entry[axis] for axis in [*axes, "protocol", "seed"]}
    row |= {"status": bad, "params": int(params * share), "macs": int(macs * share)}
    scored = bad == "finished"
    row |= {"input_size": 64, "selection": selection, "n_checkpoints": 3 * scored}
    row |= {"micro_batch": 16 if entry["architecture"] == "resnet18" else 32}
    row |= {"n_images": 300, "n_studies": len(known.labels)}
    row |= {"n_patients": len(set(known.patient))}
    values = areas_of(entry, known, architectures)
    macro = float(np.mean(values[: len(SCORE_TASKS)]))
    row |= {"fold": "all", "metric": "auroc"}
    row |= {"score": macro, "score_low": macro - 0.031, "score_high": macro + 0.029}
    row["flags"] = "few_positives:Consolidation" if scored else ""
    ran = bad != "missing"
    row |= {"train_seconds": 61.25 if ran else np.nan}
    row |= {"images_per_second": 812.5 if ran else np.nan}
    row |= {"peak_memory_mb": 412.0 if ran else np.nan, "device": "cpu" if ran else ""}
    return row


def areas_of(entry: dict[str, Any], known: Truth, architectures: dict[str, tuple]) -> list[float]:
    """The AUROC of every task; NaN for a cell without scores and a task with one class."""
    values = [np.nan] * len(TASKS)
    if not (is_missing(entry) or is_diverged(entry)):
        prob = expit(logits_of(entry, known, 4, architectures)[-3:].astype(float)).mean(axis=0)
        for t in range(len(TASKS) - 1):
            known_t = ~np.isnan(known.labels[:, t])
            values[t] = roc_auc_score(known.labels[known_t, t], prob[known_t, t])
    return values


def scores_of(
    entry: dict[str, Any], known: Truth, architectures: dict[str, tuple], selection: str
) -> list[dict[str, Any]]:
    """Rows of scores.csv: the mean, then every task."""
    if is_missing(entry):
        return []
    values = areas_of(entry, known, architectures)
    same = {"cell": entry["cell"], "fold": "all", "selection": selection, "metric": "auroc"}
    same |= {"n_patients": len(set(known.patient)), "threshold": np.nan, "n_folds": np.nan}
    same |= {"conditional_on": np.nan}
    mean = float(np.mean(values[: len(SCORE_TASKS)]))
    rows = [{**same, "value": mean, "low": mean - 0.031, "high": mean + 0.029, "n": 240}]
    for t, task in enumerate(TASKS):
        width = 0.05 if task != "Consolidation" else 0.13
        row = {**same, "task": task, "value": values[t], "low": values[t] - width}
        row |= {"high": values[t] + width, "n": int((~np.isnan(known.labels[:, t])).sum())}
        flags = {"Consolidation": "few_positives", "Fracture": "single_class"}
        row |= {"n_pos": int(np.nansum(known.labels[:, t] == 1)), "flags": flags.get(task)}
        rows.append(row)
    return rows


def contrasts_of(cells: pd.DataFrame) -> pd.DataFrame:
    """Boosts by architecture and overall, and the cost of truncation, from the cells' table."""
    done = cells[(cells.status == "finished") & (cells.selection == "top3")]
    whole = done[done.truncation == 0]
    places = {name: part for name, part in whole.groupby("architecture")}
    places["mean of 4 networks"] = whole
    rows = []
    for place, part in places.items():
        by = part.groupby("pretraining").score.mean()
        name = f"{place}, whole network: shapes - random"
        arms = {"contrast": name, "question": "pretraining_boost", "a": "shapes", "b": "random"}
        arms |= {"axis": "pretraining", "architecture": "" if place.startswith("mean") else place}
        arms |= {"pretraining": "", "truncation": 0}
        mean = {"n_cells": 4, "n_cells_asked": 4} if place.startswith("mean") else {}
        rows.append(arms | numbers_of(by["shapes"] - by["random"], len(part), len(rows)) | mean)
    for architecture in TRUNCATED:
        part = done[done.architecture == architecture]
        by = part.groupby("truncation").score.mean()
        name = f"{architecture}, shapes weights: one block removed - whole network"
        arms = {"contrast": name, "question": "truncation_cost", "a": "1", "b": "0"}
        arms |= {"axis": "truncation", "architecture": architecture}
        arms |= {"pretraining": "shapes", "truncation": ""}
        rows.append(arms | numbers_of(by[1] - by[0], len(part), len(rows)) | {"margin": 0.02})
    return pd.DataFrame(rows)


def numbers_of(estimate: float, cells: int, number: int) -> dict[str, Any]:
    low, high = estimate - 0.024, estimate + 0.024
    return {
        "metric": "auroc",
        "dataset": "phantom",
        "n_cells": max(1, cells // 4),
        "n_cells_asked": max(1, cells // 4),
        "protocol": "finetune",
        "n_seeds": 2,
        "n_studies": 240,
        "n_patients": 160,
        "estimate": estimate,
        "se_patient": 0.011,
        "se_seed": 0.005,
        "df": 7.3,
        "low": low,
        "high": high,
        "p_difference": 0.004 + 0.03 * number,
        "p_difference_adjusted": min(1.0, 0.02 + 0.06 * number),
        "p_equivalence": np.nan,
        "p_equivalence_adjusted": np.nan,
        "method": "patients and seeds, t, Satterthwaite df",
        "margin": np.nan,
        "verdict": "better" if low > 0 else "worse" if high < 0 else "undecided",
        "verdict_rests_on": "p_difference",
        "power": 0.31,
        "seeds_needed": 7.0 if number % 2 else np.nan,
        "conditional_on": "the source weights",
    }


def correlations_of() -> pd.DataFrame:
    rows = []
    for x in ("imagenet_top1", "params"):
        for pretraining, rho in (("random", 0.4), ("shapes", 0.8)):
            rows.append(
                {
                    "question": "imagenet_and_auroc" if x == "imagenet_top1" else "size_and_auroc",
                    "x": x,
                    "y": "score",
                    "metric": "auroc",
                    "dataset": "phantom",
                    "pretraining": pretraining,
                    "truncation": 0,
                    "protocol": "",
                    "n": 4,
                    "rho": rho - 0.2 * (x == "params"),
                    "low": -0.8,
                    "high": 1.0,
                    "p": 0.417,
                    "method": "Fisher z, variance 1.06/(n-3); exact permutation",
                }
            )
    return pd.DataFrame(rows)


DRAWN = "phantom: drawn images, no evidence"


def claims_of() -> pd.DataFrame:
    """Rows of claims.csv: every verdict, and a claim without a published number."""
    rows = [
        ("cxt.a", "Truncation costs nothing", 3.25, 2.4, 1.9, 3.1, "reproduced"),
        ("bat.a", "Networks are too large", np.nan, 2.4, 1.9, 3.1, "reproduced"),
        ("cxt.b", "Size does not tell AUROC", 0.082, 0.2, -0.4, 0.7, "undecided"),
        ("cxt.c", "Pretraining helps", np.nan, -0.01, -0.02, -0.004, "not reproduced"),
        ("cxt.c", "Pretraining helps", np.nan, 0.03, 0.01, 0.05, "reproduced"),
        ("cxt.d", "Larger images help", np.nan, np.nan, np.nan, np.nan, "not tested"),
    ]
    names = ("claim", "statement", "published", "measured", "low", "high", "verdict")
    table = pd.DataFrame(rows, columns=names)
    same = {"study": "chextransfer", "rule": "the interval holds it", "source": "abstract"}
    # A number each but for the first two, which rest on one.
    numbers = ["cut: mean of 4 networks"] + [f"row {n}" for n in range(len(rows) - 1)]
    numbers[1] = numbers[0]
    same |= {"provenance": "published", "detail": "n=16", "data": DRAWN}
    table["verdict"] += np.where(table["verdict"] == "not tested", "", " (drawn data, no evidence)")
    return table.assign(**same, evidence=numbers)


def small_data_of() -> pd.DataFrame:
    """Rows of small_data.csv: two arms that grow with the logarithm of patients."""
    same = {"question": "few", "dataset": "phantom", "metric": "auroc", "axis": "pretraining"}
    same |= {"baseline": "", "quantity": "score", "verdict": "", "n_sizes": 3, "n_seeds": 2}
    same |= {"n_patients": 160, "se_patient": 0.01, "se_seed": 0.01, "method": "Cochran's t"}
    same |= {"conditional_on": "", "architecture": "resnet18", "pretraining": "", "truncation": 0}
    rows = []
    for arm, base in (("random", 0.6), ("shapes", 0.7)):
        for size in (25, 50, 100):
            value = base + 0.02 * np.log(size)
            row = {**same, "arm": arm, "patients": size, "value": value, "protocol": f"few{size}"}
            row |= {"low": value - 0.03, "high": value + 0.03}
            rows.append({**row, "band_low": value - 0.05, "band_high": value + 0.05})
    return pd.DataFrame(rows)


def findings_of() -> pd.DataFrame:
    """Rows of findings.csv for a question that has nothing else."""
    row = {"question": "noise", "kind": "seed_noise", "subject": "all networks", "n": 12}
    row |= {"networks": "", "metric": "auroc"}
    row |= {"method": "REML", "note": "small"}
    return pd.DataFrame(
        [
            {**row, "quantity": "seed_sd", "value": 0.00412, "low": 0.003, "high": 0.009},
            {**row, "quantity": "noise_to_signal", "value": 0.4, "low": np.nan, "high": np.nan},
        ]
    )


def tuning_rows_of(study: dict[str, Any]) -> pd.DataFrame:
    """Rows of tuning.csv: random weights take the upper rate of two, others do not choose yet."""
    axes = ("dataset", "architecture", "pretraining", "truncation", "protocol", "seed")
    rows = []
    for tuning in study["tunings"]:
        random = tuning["pretraining"] == "random"
        for rate, cell in tuning["trials"].items():
            row = {"tuning": tuning["id"], **{axis: tuning[axis] for axis in axes}}
            row |= {"learning_rate": float(rate), "cell": cell}
            row |= {"status": "finished" if random else "missing"}
            row |= {"metric": "auroc", "valid_score": 0.7 + float(rate) if random else np.nan}
            row |= {"chosen": random and rate == "0.003", "at_edge": random}
            rows.append(row)
    return pd.DataFrame(rows)


def leaks_of() -> pd.DataFrame:
    """Rows of leaks.csv: nothing within the data set, and two images that the source has too."""
    row = {"dataset": "phantom", "fold": "all", "split": "test", "other_dataset": "phantom"}
    row |= {"other_split": "train", "n_images": 160, "n_equal": 0, "n_near": 0, "flags": ""}
    other = {"other_dataset": "shapes", "other_split": "all", "n_near": 0}
    return pd.DataFrame([row, {**row, **other}])


def costs_of() -> pd.DataFrame:
    """Rows of costs.csv: a stage, and trainings of which Snakemake measured none, or not all."""
    none = {"role": "", "device": "", "measured": 0, "seconds": np.nan, "cpu_seconds": np.nan}
    none |= {"peak_mb": np.nan, "trained": np.nan, "train_seconds": np.nan, "gpu_peak_mb": np.nan}
    trained = {"stage": "train", "measured": 20, "seconds": 9000.0, "cpu_seconds": 8000.0}
    trained |= {"peak_mb": 812.4, "role": "cells of the grid", "device": "NVIDIA H200"}
    trained |= {"jobs": 23, "trained": 23, "train_seconds": 7200.0, "gpu_peak_mb": 2048.0}
    dark = {"cpu_metered": 0, "cpu_wh": np.nan, "gpu_metered": 0, "gpu_wh": np.nan}
    rows = ({**none, "stage": "prepare", "jobs": 2}, trained)
    return pd.DataFrame([{**row, **dark} for row in rows])


_UNASKED = (
    *(CONVERGENCE, BUDGETS, REACHED, MEAN_RANKS, RANK_PAIRS, TRIALS, MASK_STATES),
    *(EXTERNAL_ARMS, EXTERNAL_PAIRS),
)


def tables_of(study: dict[str, Any], architectures: dict[str, tuple]) -> dict[str, pd.DataFrame]:
    known = truth()
    targets = [entry for entry in study["cells"] if entry["role"] == "target"]
    rows = [row_of(e, known, architectures, s) for e in targets for s in SELECTIONS]
    cells = pd.DataFrame(rows)
    sources = pd.DataFrame(
        [
            {
                **{k: e[k] for k in ("cell", "dataset", "architecture", "pretraining")},
                **{"protocol": e["protocol"], "seed": e["seed"], "status": "finished"},
                **{
                    "metric": "auroc",
                    "valid_score": 0.97,
                    "valid_accuracy": 0.83,
                    "chance_accuracy": 0.125,
                },
                "n_valid": 200,
            }
            for e in study["cells"]
            if e["role"] == "source"
        ]
    )
    done = cells[(cells.status == "finished") & (cells.selection == "top3")]
    bootstrap = done[["cell", "selection", "metric", "score"]].assign(
        low=done.score - 0.03, high=done.score + 0.03, replicates=200, n_patients=160
    )
    scores = [
        row for e in targets for s in SELECTIONS for row in scores_of(e, known, architectures, s)
    ]
    return {
        # The study asks nothing of convergence, ranks, trials or other hospitals, and has no masks.
        **{table.name: pd.DataFrame(columns=list(table.header)) for table in _UNASKED},
        "cells": cells,
        "scores": pd.DataFrame(scores),
        "contrasts": contrasts_of(cells),
        "correlations": correlations_of(),
        "findings": findings_of(),
        "gains": pd.DataFrame(columns=["question", "dataset"]),
        "small_data": small_data_of(),
        "claims": claims_of(),
        "sensitivity": pd.DataFrame(columns=["subject", "question", "analysis"]),
        "sources": sources,
        "leaks": leaks_of(),
        "bootstrap": bootstrap,
        "tuning": tuning_rows_of(study),
        "costs": costs_of(),
    }
