"""The published numbers of a study again, from its stored ensembles, by the textbook.

Nothing here is imported from the project. Areas are scikit-learn's, Holm's method is that of
statsmodels, and the variances are written out over all pairs of films, as in the papers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import optimize, stats
from sklearn.metrics import roc_auc_score
from statsmodels.stats.multitest import multipletests


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
        # One patient says nothing of a spread.
        factor = np.sqrt(count / (count - 1)) if count > 1 else 0.0
        sides.append(centred / len(patient) * factor)
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


def model_variance(theta: float) -> float:
    """Return Hanley and McNeil's Q1 - theta^2 and Q2 - theta^2 under exponential scores, halved."""
    q1, q2 = theta / (2 - theta), 2 * theta**2 / (1 + theta)
    return (q1 - theta**2 + q2 - theta**2) / 2


def task_interval(
    frame: pd.DataFrame, task: str, alpha: float = 0.05
) -> tuple[float, float, float, pd.Series]:
    """Return one task's AUROC, its bounds, and each patient's contribution to its error."""
    area, up, down = contributions(frame, task)
    both = up.add(down, fill_value=0)
    by_class = np.array([(side**2).sum() for side in (up, down)])
    by_class *= (both**2).sum() / by_class.sum() if by_class.sum() > 0 else 1
    n = np.array([len(up), len(down)])

    def distance(theta: float) -> float:
        seen = (n - 1) * theta * (1 - theta)
        measured = by_class * n / model_variance(area) if 0 < area < 1 else 0 * n
        ratio = (seen * measured + 3) / (seen + 2)
        variance = model_variance(theta) * (ratio / n).sum()
        return (area - theta) ** 2 - stats.norm.isf(alpha / 2) ** 2 * variance

    low = optimize.brentq(distance, 0, min(area, 1 - 1e-12), xtol=1e-15) if area > 0 else 0.0
    high = optimize.brentq(distance, max(area, 1e-12), 1, xtol=1e-15) if area < 1 else 1.0
    return area, low, high, both


def interval(
    frame: pd.DataFrame, tasks: Sequence[str], alpha: float = 0.05
) -> tuple[float, float, float]:
    """Return the mean AUROC of tasks and its bounds, by their arms and correlations."""
    parts = [task_interval(frame, task, alpha) for task in tasks]
    estimate = np.mean([area for area, _, _, _ in parts])
    arms = []
    for side in (1, 2):
        total = 0.0
        for i, one in enumerate(parts):
            for j, other in enumerate(parts):
                shared = one[3].mul(other[3], fill_value=0).sum()
                scale = np.sqrt((one[3] ** 2).sum() * (other[3] ** 2).sum())
                silent = (one[3] == 0).all() and (other[3] == 0).all()
                r = 1.0 if i == j or silent else shared / scale if scale > 0 else 0.0
                total += r * (one[0] - one[side]) * (other[0] - other[side])
        arms.append(np.sqrt(total) / len(parts))
    return float(estimate), max(0.0, float(estimate - arms[0])), min(1.0, float(estimate + arms[1]))


def rarest(frame: pd.DataFrame, tasks: Sequence[str]) -> pd.Series:
    """Return the rarest class of each patient, a name; patients without a label are left out."""
    members = {
        f"{task} {label}": frame["patient_id"][frame[f"label_{task}"] == label].unique()
        for task in tasks
        for label in (1, 0)
    }
    found: dict[str, str] = {}
    for name, patients in sorted(members.items(), key=lambda item: len(item[1])):
        for patient in patients:
            found.setdefault(patient, name)
    return pd.Series(found)


def contrast(
    pairs: Sequence[tuple[Sequence[pd.DataFrame], Sequence[pd.DataFrame]]],
    tasks: Sequence[str],
    margin: float | None = None,
    alpha: float = 0.05,
) -> dict[str, float]:
    """Return a contrast of two arms, each a list of runs in the order of seeds, for each pair."""
    seeds = len(pairs[0][0])
    between, noise = [], 0.0
    means, estimates = [], []
    for side in (0, 1):
        runs = [[macro(frame, tasks) for frame in pair[side]] for pair in pairs]
        by_seed = [np.mean([pair[s][0] for pair in runs]) for s in range(seeds)]
        values = [sum(pair[s][1] for pair in runs) / len(runs) for s in range(seeds)]
        estimates.append(np.mean(by_seed))
        means.append(sum(values) / seeds)
        if seeds > 1:
            between.append(np.var(by_seed, ddof=1) / seeds)
            noise += np.var(values, axis=0, ddof=1).sum() / seeds
    squares = (means[0] - means[1]) ** 2
    patient = float(squares.sum())
    seed = max(0.0, sum(between) - noise)
    total, groups = patient + seed, rarest(pairs[0][0][0], tasks)
    spread = 0.0
    for name in groups.unique():
        own = groups.index[groups == name]
        spread += squares[own].sum() ** 2 / max(len(own) - 1, 1)
    spread += sum(arm**2 / (seeds - 1) for arm in between)
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
            found.append("better" if row["estimate"] > 0 else "worse")
        else:
            found.append("undecided")
    return found
