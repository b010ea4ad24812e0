"""The published numbers of a study again, from its stored ensembles, by the textbook.

Nothing here is imported from the project. Areas are scikit-learn's, Holm's method is that of
statsmodels, and the variances are written out over all pairs of films, as in the papers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import expit, logit
from sklearn.metrics import roc_auc_score
from statsmodels.stats.multitest import multipletests

FEW = 30


def contributions(frame: pd.DataFrame, task: str) -> tuple[float, pd.Series, pd.Series]:
    """Return one task's AUROC, and what positives and negatives add to its error, by patient."""
    known = frame[frame[f"label_{task}"].notna()]
    label, score = known[f"label_{task}"].to_numpy(), known[f"prob_{task}"].to_numpy()
    area = float(roc_auc_score(label, score))
    up, down = score[label == 1][:, None], score[label == 0][None, :]
    won = (up > down) + 0.5 * (up == down)
    sides = []
    for value, placement in ((1, won.mean(axis=1)), (0, won.mean(axis=0))):
        patient = known["patient_id"][label == value]
        centred = pd.Series(placement - area, index=patient).groupby(level=0).sum()
        count = patient.nunique()
        sides.append(centred / len(patient) * np.sqrt(count / (count - 1)))
    return area, sides[0], sides[1]


def macro(frame: pd.DataFrame, tasks: Sequence[str]) -> tuple[float, pd.Series]:
    """Return the mean AUROC over tasks and each patient's contribution to its error."""
    areas, sums = [], []
    for task in tasks:
        area, up, down = contributions(frame, task)
        areas.append(area)
        sums.append(up.add(down, fill_value=0))
    patients = pd.Index(frame["patient_id"].unique()).sort_values()
    return float(np.mean(areas)), sum(s.reindex(patients, fill_value=0) for s in sums) / len(tasks)


def interval(
    frame: pd.DataFrame, tasks: Sequence[str], alpha: float = 0.05
) -> tuple[float, float, float]:
    """Return the mean AUROC of tasks that have a variance, and its bounds."""
    estimate, values = macro(frame, tasks)
    se, df = float(np.sqrt((values**2).sum())), np.inf
    for task in tasks:
        _, up, down = contributions(frame, task)
        counts = np.array([len(up), len(down)])
        if counts.min() < FEW:
            parts = np.array([(side**2).sum() for side in (up, down)])
            df = min(df, parts.sum() ** 2 / (parts**2 / (counts - 1)).sum())
    arm = stats.t.isf(alpha / 2, df) * se
    if np.isinf(df) and estimate - arm >= 0 and estimate + arm <= 1:
        return estimate, estimate - arm, estimate + arm
    low, high = expit(logit(estimate) + np.array([-arm, arm]) / (estimate * (1 - estimate)))
    return estimate, float(low), float(high)


def contrast(
    pairs: Sequence[tuple[Sequence[pd.DataFrame], Sequence[pd.DataFrame]]],
    tasks: Sequence[str],
    margin: float | None = None,
    alpha: float = 0.05,
) -> dict[str, float]:
    """Return a contrast of two arms, each a list of runs in the order of seeds, for each pair."""
    seeds = len(pairs[0][0])
    between = noise = 0.0
    means, estimates = [], []
    for side in (0, 1):
        runs = [[macro(frame, tasks) for frame in pair[side]] for pair in pairs]
        by_seed = [np.mean([pair[s][0] for pair in runs]) for s in range(seeds)]
        values = np.array([np.mean([pair[s][1] for pair in runs], axis=0) for s in range(seeds)])
        estimates.append(np.mean(by_seed))
        means.append(values.mean(axis=0))
        if seeds > 1:
            between += np.var(by_seed, ddof=1) / seeds
            noise += values.var(axis=0, ddof=1).sum() / seeds
    patient = float(((means[0] - means[1]) ** 2).sum())
    seed = max(0.0, between - noise)
    total, patients = patient + seed, len(means[0])
    spread = patient**2 / (patients - 1)
    if seeds > 1:
        spread += between**2 / (2 * (seeds - 1))
    df, se = total**2 / spread, np.sqrt(total)
    d = float(estimates[0] - estimates[1])
    arm = stats.t.ppf(1 - alpha / 2, df) * se
    p_difference = 2 * stats.t.cdf(-abs(d) / se, df)
    p_equivalence = np.nan
    if margin is not None:
        p_equivalence = 1 - stats.t.cdf((margin - abs(d)) / se, df)
    return {
        "estimate": d,
        "se_patient": np.sqrt(patient),
        "se_seed": np.sqrt(seed) if seeds > 1 else np.nan,
        "df": df,
        "low": max(-1.0, d - arm),
        "high": min(1.0, d + arm),
        "p_difference": p_difference,
        "p_equivalence": p_equivalence,
    }


def holm(p: Sequence[float]) -> list[float]:
    """Return adjusted p-values of one question; without a margin all of equivalence are NaN."""
    return list(p) if np.isnan(p).all() else list(multipletests(p, method="holm")[1])


def verdicts(rows: Sequence[dict[str, float]], alpha: float = 0.05) -> list[str]:
    """Return the verdicts on the contrasts of one question."""
    found = []
    adjusted = (holm([r[name] for r in rows]) for name in ("p_difference", "p_equivalence"))
    for row, p_difference, p_equivalence in zip(rows, *adjusted, strict=True):
        if p_equivalence < alpha:
            apart = row["low"] * row["high"] > 0
            found.append("different within margin" if apart else "equivalent")
        elif p_difference < alpha:
            found.append("higher" if row["estimate"] > 0 else "lower")
        else:
            found.append("undecided")
    return found
