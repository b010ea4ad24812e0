"""Bootstrap of the macro AUROC against the loop that a researcher would write with scikit-learn.

Both resample patients with replacement and average AUROC over tasks; the loop is timed on fewer
replicates and scaled, because it would take minutes. Times are medians of alternating runs.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
from sklearn.metrics import roc_auc_score

from transfergrid.evaluation.bootstrap import bootstrap_macro

TASKS, LOOP_REPLICATES = 5, 50


def library(
    scores: np.ndarray, labels: np.ndarray, patients: np.ndarray, replicates: int
) -> np.ndarray:
    return bootstrap_macro(scores[None], labels, patients, replicates, np.random.default_rng(0))


def loop(
    scores: np.ndarray, labels: np.ndarray, patients: np.ndarray, replicates: int
) -> list[float]:
    rng = np.random.default_rng(0)
    values = []
    for _ in range(replicates):
        rows = rng.integers(0, len(patients), len(patients))
        values.append(float(np.mean(roc_auc_score(labels[rows], scores[rows], average=None))))
    return values


def seconds(function: Callable[..., object], *arguments: object) -> float:
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    print(f"{arguments.replicates} replicates, {TASKS} tasks, one study a patient")
    print("| studies | scikit-learn loop, s (scaled) | bootstrap_macro, s | ratio |")
    print("|---:|---:|---:|---:|")
    for studies in (234, 500, 5_000):
        rng = np.random.default_rng(studies)
        labels = (rng.random((studies, TASKS)) < 0.3).astype(np.float64)
        scores = labels + rng.normal(scale=1.5, size=labels.shape)
        patients = np.arange(studies)
        slow, fast = [], []
        for _ in range(arguments.runs):
            scale = arguments.replicates / LOOP_REPLICATES
            slow.append(scale * seconds(loop, scores, labels, patients, LOOP_REPLICATES))
            fast.append(seconds(library, scores, labels, patients, arguments.replicates))
        a, b = statistics.median(slow), statistics.median(fast)
        print(f"| {studies} | {a:.1f} | {b:.3f} | {a / b:.0f} |")


if __name__ == "__main__":
    main()
