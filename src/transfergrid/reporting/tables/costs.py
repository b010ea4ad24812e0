"""costs.csv: what the jobs of every stage took, by Snakemake's account and by the jobs' own."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transfergrid.planning.paths import cell_directory
from transfergrid.planning.records import read_train
from transfergrid.reporting.tables import gathering
from transfergrid.reporting.words import known
from transfergrid.runtime.energy import NAME, Energy, read_energy

if TYPE_CHECKING:
    import pandas as pd

ROLES = ("cells of the grid", "sources", "learning-rate trials")
ROLE_OF = {"target": ROLES[0], "source": ROLES[1]}
WHOLE = ("jobs", "measured", "trained", "cpu_metered", "gpu_metered")
_MEASURES = {"seconds": "s", "cpu_seconds": "cpu_time", "peak_mb": "max_rss"}
"""Columns of a benchmark file, by ours."""
_JOULES = {"cpu": "cpu_joules", "gpu": "gpu_joules"}
"""Fields of `Energy`, by how our columns begin."""
_WH = 3600.0
"""Joules in a watt-hour."""


def is_gpu(device: str) -> bool:
    """Tell whether a name in train.json is that of a GPU."""
    return device != "cpu"


@dataclass
class Cost:
    """What is added up for one row.

    Attributes:
        jobs: How many jobs there are.
        measures: Per measured job its columns of `_MEASURES`, NaN where Snakemake saw none.
        trains: train.json of each training that has ended.
        energies: What jobs have recorded of their energy.
    """

    jobs: int = 0
    measures: list[Mapping[str, float]] = field(default_factory=list)
    trains: list[Mapping[str, Any]] = field(default_factory=list)
    energies: list[Energy] = field(default_factory=list)

    def add(self, stage: str, benchmark: Path, train: Mapping[str, Any] | None = None) -> None:
        """Count a job of a stage with what is known of it."""
        self.jobs += 1
        energy = read_energy(benchmark.with_name(NAME), stage)
        if energy is not None:
            self.energies.append(energy)
        measured = read_benchmark(benchmark)
        if measured is not None:
            self.measures.append(measured)
        if train is not None:
            self.trains.append(train)

    def row(self, training: bool) -> dict[str, float]:
        """Return the numbers of the row; what nobody measured is NaN."""
        found = {
            name: [one[name] for one in self.measures if not math.isnan(one[name])]
            for name in _MEASURES
        }
        row: dict[str, float] = {"jobs": self.jobs, "measured": len(self.measures)}
        row |= {name: sum(found[name]) if found[name] else math.nan for name in _MEASURES}
        row["peak_mb"] = max(found["peak_mb"], default=math.nan)
        if training:
            row["trained"] = len(self.trains)
            times = _numbers(self.trains, "train_seconds")
            row["train_seconds"] = sum(times) if times else math.nan
            on_gpus = [train for train in self.trains if is_gpu(str(train.get("device")))]
            row["gpu_peak_mb"] = max(_numbers(on_gpus, "peak_memory_mb"), default=math.nan)
        for what, name in _JOULES.items():
            told = [getattr(one, name) for one in self.energies if getattr(one, name) is not None]
            row[f"{what}_metered"] = len(told)
            row[f"{what}_wh"] = sum(told) / _WH if told else math.nan
        return row


def _numbers(trains: Iterable[Mapping[str, Any]], key: str) -> list[float]:
    return [float(train[key]) for train in trains if known(train.get(key))]


def analyse(study: Mapping[str, Any], results: Path, workers: int) -> dict[str, pd.DataFrame]:
    """Return costs.csv by its name; see `cost_rows`."""
    return {"costs": gathering.frame(study, "costs", cost_rows(study, results), WHOLE)}


def cost_rows(study: Mapping[str, Any], results: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of costs.csv, in the order of the stages.

    Args:
        study: The stamp's content, with the study's cells; ``benchmarks`` has every stage in
            order, with where its jobs are measured, and what they are for.
        results: Root of all outputs.

    Raises:
        UserError: A record of a training is broken.
    """
    for stage, place, jobs in study["benchmarks"]:
        if stage == "train":
            yield from _trainings(study, place, results)
            continue
        cost = Cost()
        for one in [entry["cell"] for entry in study["cells"]] if jobs is None else jobs:
            cost.add(stage, _benchmark(place, study, one, results))
        if cost.jobs:
            yield {"stage": stage, "role": "", "device": "", **cost.row(training=False)}


def _trainings(study: Mapping[str, Any], place: str, results: Path) -> Iterator[dict[str, Any]]:
    costs: dict[tuple[str, str], Cost] = {}
    cells = {entry["cell"]: ROLE_OF.get(entry["role"], entry["role"]) for entry in study["cells"]}
    cells |= dict.fromkeys(_trials(study), ROLES[2])
    for cell, role in cells.items():
        train = read_train(cell_directory(cell, results))
        # A cell whose source diverged has a record and was not trained.
        ran = train if train and train.get("train_seconds") else None
        device = str(ran.get("device") or "unknown device") if ran else ""
        measured = _benchmark(place, study, cell, results)
        costs.setdefault((role, device), Cost()).add("train", measured, ran)
    for (role, device), cost in sorted(costs.items(), key=lambda item: _order(*item[0])):
        yield {"stage": "train", "role": role, "device": device, **cost.row(training=True)}


def _order(role: str, device: str) -> tuple[int, str]:
    return (ROLES.index(role) if role in ROLES else len(ROLES), device)


def _trials(study: Mapping[str, Any]) -> Iterator[str]:
    for tuning in study["tunings"]:
        yield from tuning["trials"].values()


def _benchmark(place: str, study: Mapping[str, Any], one: str, results: Path) -> Path:
    """Return the benchmark file of a job; `one` is its cell, id or part."""
    named = place.replace("{study}", study["name"])
    return results / re.sub(r"\{\w+\}", lambda _: one, named)


def read_benchmark(path: Path) -> dict[str, float] | None:
    """Return what a benchmark file of Snakemake says of a job; None where there is none.

    Returns:
        Seconds on the clock, seconds of the processor and MB, by our columns; NaN for a job that
        ended before it was looked at.
    """
    try:
        with open(path, encoding="utf-8", newline="") as file:
            row = next(csv.DictReader(file, delimiter="\t"), None)
        if not row:
            return None
        return {name: _number(row[theirs]) for name, theirs in _MEASURES.items()}
    except (OSError, UnicodeError, KeyError):
        return None


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan  # NA, or - of a platform that does not tell
