"""Bootstrap of the macro AUROC against what a researcher would use instead.

All resample patients with replacement and average AUROC over five tasks. Peers are timed on 20
replicates and scaled, because they would take minutes: a loop over scikit-learn's roc_auc_score;
scipy.stats.bootstrap with the same statistic; torchmetrics' BootStrapper around MultilabelAUROC,
which draws studies and knows no patients (neither does scipy, but its statistic can be given
patients). All have one thread. Memory is what numpy allocated at its peak, by tracemalloc, in a
call of its own.
"""

from __future__ import annotations

import tracemalloc
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from common import alternate, heading, parse, peer, row, seconds, table
from scipy import stats
from sklearn.metrics import roc_auc_score

from transfergrid.evaluation.bootstrap import bootstrap_macro

TASKS, PEERS_REPLICATES = 5, 20


@dataclass(frozen=True)
class Case:
    """Scores and labels (N, tasks), the patient of each study, and the studies of each patient."""

    scores: np.ndarray
    labels: np.ndarray
    patient: np.ndarray
    studies: list[np.ndarray]

    @classmethod
    def drawn(cls, studies: int, patients: int) -> Case:
        rng = np.random.default_rng(studies)
        labels = (rng.random((studies, TASKS)) < 0.3).astype(np.float64)
        scores = labels + rng.normal(scale=1.5, size=labels.shape)
        others = rng.integers(0, patients, studies - patients)
        patient = np.sort(np.append(np.arange(patients), others))
        firsts = np.flatnonzero(np.diff(patient)) + 1
        return cls(scores, labels, patient, np.split(np.arange(studies), firsts))

    def macro(self, drawn: np.ndarray) -> float:
        """Return the macro AUROC of the drawn patients' studies."""
        alone = len(self.studies) == len(self.labels)
        rows = drawn if alone else np.concatenate([self.studies[patient] for patient in drawn])
        return float(np.mean(roc_auc_score(self.labels[rows], self.scores[rows], average=None)))


def library(case: Case, replicates: int) -> None:
    rng = np.random.default_rng(0)
    bootstrap_macro(case.scores[None], case.labels, case.patient, replicates, rng)


def loop(case: Case, replicates: int) -> None:
    rng = np.random.default_rng(0)
    patients = len(case.studies)
    for _ in range(replicates):
        case.macro(rng.integers(0, patients, patients))


def scipy_bootstrap(case: Case, replicates: int) -> None:
    stats.bootstrap(
        (np.arange(len(case.studies)),),
        case.macro,
        vectorized=False,
        n_resamples=replicates,
        method="percentile",
        rng=np.random.default_rng(0),
    )


def torchmetrics_bootstrap(case: Case, replicates: int) -> None:
    import torch
    from torchmetrics.classification import MultilabelAUROC
    from torchmetrics.wrappers import BootStrapper

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        metric = BootStrapper(
            MultilabelAUROC(TASKS, average="macro", validate_args=False),
            num_bootstraps=replicates,
            sampling_strategy="multinomial",
        )
        metric.update(torch.from_numpy(case.scores).sigmoid(), torch.from_numpy(case.labels).long())
        metric.compute()


def peak_mib(function: Callable[[], object]) -> float:
    tracemalloc.start()
    function()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def main(words: Sequence[str] | None = None) -> None:
    arguments = parse(__doc__, words)
    replicates = 200 if arguments.quick else 10_000
    peers: dict[str, Callable[[Case, int], None]] = {
        "scikit-learn": loop,
        "scipy": scipy_bootstrap,
    }
    if peer("torchmetrics"):
        import torch

        torch.set_num_threads(1)
        peers["torchmetrics"] = torchmetrics_bootstrap
    few = 2 if arguments.quick else PEERS_REPLICATES
    heading(
        "Bootstrap of the macro AUROC",
        f"{replicates} replicates, {TASKS} tasks; peers timed on {few} replicates and scaled.",
    )
    names = [f"{name}, s" for name in peers] + [f"ratio to {name}" for name in peers]
    table(("studies", "patients", "bootstrap_macro, s", *names, "memory, MiB"), texts=0)
    cases = ((234, 234), (500, 500), (5_000, 5_000), (5_000, 3_000), (25_596, 25_596))
    for studies, patients in cases[:2] if arguments.quick else cases:
        case = Case.drawn(studies, patients)
        calls = {name: partial(call, case, few) for name, call in peers.items()}
        calls["ours"] = partial(library, case, replicates)
        times = alternate({n: partial(seconds, call) for n, call in calls.items()}, arguments.runs)
        ours = times.pop("ours")
        scaled = [time * replicates / few for time in times.values()]
        memory = peak_mib(partial(library, case, replicates))
        row(studies, len(case.studies), ours, *scaled, *(time / ours for time in scaled), memory)


if __name__ == "__main__":
    main()
