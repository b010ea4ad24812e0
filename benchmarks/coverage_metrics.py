"""How often intervals of every metric but AUROC hold the truth: docs/statistics.md.

    .venv/bin/python benchmarks/coverage_metrics.py

prints the table of that page in about two minutes on one core; --quick shows that it runs. Each
patient has two cases that are alike; the truth is the value on 400,000 cases of the same kind.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from common import as_share, parse, row, table
from numpy.typing import NDArray

from transfergrid.catalog.metrics import METRICS
from transfergrid.metrics.scoring import Cases, Scorer
from transfergrid.planning.metrics import built_in
from transfergrid.runtime.hashing import seeded

DESIGNS = ((5, 50), (10, 100), (20, 200), (60, 300), (200, 2000))
"""Patients who are positive (for classes: of the rarest of three), of all patients."""
SHIFTS = {"well told apart": 3.0, "hardly told apart": 1.0}
CUT = 0.3
"""The threshold of metrics with an operating point, as if validation had given it."""
LARGE = 400_000


def draw(
    rng: np.random.Generator, positives: int, patients: int, shift: float, classes: bool
) -> Cases:
    """Return cases of some patients, two each, with scores that patients share in part."""
    patient = np.repeat(np.arange(patients), 2)
    shared = rng.normal(size=patients)[patient] * 0.7
    own = rng.normal(size=2 * patients) * 0.7
    if not classes:
        labels = np.repeat(np.arange(patients) < positives, 2).astype(float)[:, None]
        logits = shift * (labels[:, 0] - 0.7) + shared + own
        return Cases((1 / (1 + np.exp(-logits)))[:, None], labels, patient, ("a",), ("a",))
    second = positives + (patients - positives) // 3
    edges = [positives, second]
    truth = np.searchsorted(edges, patient, side="right")
    logits = shift * np.eye(3)[truth] + rng.normal(size=(2 * patients, 3)) * 0.7
    logits += rng.normal(size=(patients, 3))[patient] * 0.7
    weights: NDArray[np.float64] = np.exp(logits)
    names = ("a", "b", "c")
    probabilities = weights / weights.sum(axis=1, keepdims=True)
    return Cases(probabilities, np.eye(3)[truth], patient, names, names)


def coverage(
    name: str, shift: float, positives: int, patients: int, repeats: int, cases: int
) -> float:
    """Return how often the interval over the tasks holds the truth, the value on `cases` cases."""
    scorer = Scorer.of(built_in(name))
    rng = np.random.default_rng(seeded("metric", name, shift, positives, patients))
    points = {"a": CUT} if scorer.estimator.operating_point else None
    large = cases // (2 * patients)
    whole = draw(rng, positives * large, patients * large, shift, scorer.per_case)
    truth, _ = scorer.values(whole, points)
    hits = 0
    for _ in range(repeats):
        found = draw(rng, positives, patients, shift, scorer.per_case)
        _, mean = scorer.intervals(found, points)
        hits += mean.low <= truth <= mean.high
    return hits / repeats


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    quick = parse(__doc__, words).quick
    repeats, cases = (5, 8_000) if quick else (1000, LARGE)
    print(f"\n## Other metrics: coverage of 95 % intervals ({repeats} test sets each)\n")
    table(["metric", "", *(f"{p} of {n}" for p, n in DESIGNS)], texts=2)
    for metric in (one for one in METRICS if "segmentation" not in one.task_kinds):
        if metric.name == "auroc":
            continue
        for told, shift in SHIFTS.items():
            shares = (coverage(metric.name, shift, p, n, repeats, cases) for p, n in DESIGNS)
            row(metric.name, told, *map(as_share, shares))


if __name__ == "__main__":
    main()
