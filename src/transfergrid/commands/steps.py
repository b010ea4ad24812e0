"""What runs beside cells, from decoding to figures, as told by the last line of each log."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from transfergrid.catalog.stages import STAGES
from transfergrid.commands.live import error_line, last_lines
from transfergrid.planning.outputs import mark_of
from transfergrid.planning.paths import (
    cache_directory,
    features_directory,
    tuning_file,
    weights_directory,
)
from transfergrid.planning.plan import Plan

FRESH = 30.0
"""Seconds after its log's last line for which a step is taken to be at work."""
SHORT = 10.0
"""The same for numerous steps that take only a second or two each."""


@dataclass(frozen=True)
class Step:
    """A step at work, or one that failed.

    Attributes:
        name: What it makes.
        line: The last line of its log.
        failed: Whether that is an error.
    """

    name: str
    line: str
    failed: bool


def read_steps(plan: Plan, results: Path, now: float) -> list[Step]:
    """Return the steps of a plan that are at work or failed; `now` is in Unix seconds."""
    found = [_step(name, log, made, now) for name, log, made in _single(plan, results)]
    for study in plan.studies:
        found += [_latest(study, folder, now) for folder in _folders(results / study / "logs")]
    return [step for step in found if step is not None]


def _single(plan: Plan, results: Path) -> Iterator[tuple[str, Path, Path | None]]:
    """Yield the name, log and last file of every step with a log of its own."""
    studies = plan.studies.values()
    for owner in dict.fromkeys(data.id for study in studies for data in study.datasets.values()):
        folder = cache_directory(owner, results)
        yield f"data {owner}", folder.parent / "logs" / f"{owner}.log", folder / "receipt.json"
    for owner in dict.fromkeys(owner for study in studies for owner in study.weights):
        folder = weights_directory(owner, results)
        yield f"weights {owner}", folder.parent / "logs" / f"{owner}.log", folder / "receipt.json"
    for owner in plan.features:
        folder = features_directory(owner, results)
        yield f"features {owner}", folder.parent / "logs" / f"{owner}.log", folder / "receipt.json"
    for owner, stored in plan.stored.items():
        made = results / stored.mark
        log = made.parents[1] / "logs" / f"{owner}.log"
        yield f"{stored.stage} {owner}", log, made
    for owner in plan.tunings:
        made = tuning_file(owner, results)
        yield f"learning rate of {owner}", results / "tuning" / "logs" / f"{owner}.log", made
    for study in plan.studies:
        # Snakemake removes a stage's mark before the stage begins.
        marks = {stage.rule_name: mark_of(study, stage) for stage in STAGES if stage.of_study}
        for log in sorted((results / study / "logs").glob("*.log")):
            last = marks.get(log.stem)
            yield f"{study} {log.stem}", log, results / last if last else None


def _step(name: str, log: Path, made: Path | None, now: float) -> Step | None:
    try:
        fresh = now - log.stat().st_mtime < FRESH
    except OSError:
        return None
    if made is not None and made.exists():
        return None
    error = error_line(log)
    if error or fresh:
        return Step(name, error or next(reversed(last_lines(log)), "started"), bool(error))
    return None


def _folders(logs: Path) -> list[Path]:
    try:
        return sorted(Path(entry.path) for entry in os.scandir(logs) if entry.is_dir())
    except OSError:
        return []


def _latest(study: str, folder: Path, now: float) -> Step | None:
    """Return one step, the latest, for a folder of many short ones (ensembles, maps)."""
    written, name = 0.0, ""
    for entry in os.scandir(folder):
        if not entry.name.endswith(".log"):
            continue  # what a job took stands beside its log
        try:
            written, name = max((written, name), (entry.stat().st_mtime, entry.name))
        except OSError:
            continue
    if not name or now - written >= SHORT:
        return None
    error = error_line(folder / name)
    return Step(f"{study} {folder.name}", error or name.removesuffix(".log"), bool(error))
