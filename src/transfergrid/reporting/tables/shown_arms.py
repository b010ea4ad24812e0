"""Which arms of a study have their curves drawn: few enough that a reader can tell them apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transfergrid.catalog.axes import PLACE
from transfergrid.planning.paths import cell_directory
from transfergrid.planning.records import read_train
from transfergrid.reporting.tables import gathering
from transfergrid.reporting.tables.crossed import RunWork
from transfergrid.reporting.tables.networks import network_keys


@dataclass(frozen=True)
class Arm:
    """A network from one pretraining, with its seeds.

    Attributes:
        chosen: "best", "baseline", "next" or "asked".
        runs: Its scored runs, by seed.
    """

    chosen: str
    runs: tuple[RunWork, ...]

    @property
    def place(self) -> dict[str, Any]:
        """Its values of `PLACE`."""
        return {axis: self.runs[0].run.entry[axis] for axis in PLACE}


def arms_of(study: Mapping[str, Any], runs: Sequence[RunWork], results: Path) -> list[Arm]:
    """Return the arms to draw: of each data set those of one network, on the seeds that all have.

    A study may name pretrainings; then the network is one that has most of them. By default there
    are two: the arm with the best mean validation score, and the baseline on the same network,
    which is random weights, or else the first pretraining of the study that the network has. The
    best network decides among several. The test split has no part in this.

    Args:
        study: The stamp's content.
        runs: Scored runs.
        results: Root of all outputs.
    """
    rows = pd.DataFrame(
        {
            **{axis: [run.run.entry[axis] for run in runs] for axis in (*PLACE, "seed")},
            "valid": [_valid_score(run, results) for run in runs],
            "number": range(len(runs)),
        }
    )
    found = []
    for dataset, here in rows.groupby("dataset", sort=False):
        metric = gathering.primary_metric(study, str(dataset))
        keys = network_keys(here)
        better = here.assign(
            network=[network for network, _ in keys],
            valid=here["valid"] * (1 if metric["higher_is_better"] else -1),
        )
        found += _of_dataset(better, study["curves"], runs)
    return found


def _of_dataset(rows: pd.DataFrame, told: Mapping[str, Any], runs: Sequence[RunWork]) -> list[Arm]:
    asked: Sequence[str] | None = told["pretrainings"]
    there = rows if asked is None else rows[rows["pretraining"].isin(list(asked))]
    if there.empty:
        return []
    valid = there.groupby(["network", "pretraining"], sort=False)["valid"].mean()
    means = valid.fillna(-np.inf).sort_values(ascending=False, kind="stable").reset_index()
    if asked is not None:
        counts = means.groupby("network", sort=False)["pretraining"].size()
        network = counts.index[int(np.argmax(counts.to_numpy()))]  # the best of several comes first
        having = set(means.loc[means["network"] == network, "pretraining"])
        chosen = {name: "asked" for name in asked if name in having}
    else:
        network = means["network"].iloc[0]
        ranked = list(means.loc[means["network"] == network, "pretraining"])
        chosen = _compared(ranked, [*told["baselines"], *rows["pretraining"].unique()])
    own = there[[one == network for one in there["network"]]]
    seeds = [set(own.loc[own["pretraining"] == name, "seed"]) for name in chosen]
    shared = set.intersection(*seeds) or set.union(*seeds)
    own = own[own["seed"].isin(shared)].sort_values("seed", kind="stable")
    return [
        Arm(why, tuple(runs[n] for n in own.loc[own["pretraining"] == name, "number"]))
        for name, why in chosen.items()
    ]


def _compared(ranked: Sequence[str], baselines: Sequence[str]) -> dict[str, str]:
    """Return the two pretrainings to compare, the baseline first, with why each was chosen.

    Args:
        ranked: Those of the network, the best first.
        baselines: What may stand for a baseline, the first choice first; it has all of `ranked`.
    """
    best = ranked[0]
    if len(ranked) == 1:
        return {best: "best"}
    baseline = next(name for name in baselines if name in ranked)
    if baseline == best:
        return {best: "baseline", ranked[1]: "next"}
    return {baseline: "baseline", best: "best"}


def _valid_score(run: RunWork, results: Path) -> float:
    """Return the mean over a run's trainings of their best validation score; NaN without one."""
    folders = (cell_directory(str(one.entry["cell"]), results) for one in run.cells.values())
    scores = [(read_train(folder) or {}).get("best_valid_score") for folder in folders]
    return float(np.mean([float("nan") if score is None else score for score in scores]))
