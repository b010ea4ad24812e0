"""How long a grid will still take, judged by its own cells so far."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path

from transfergrid.commands.live import CellLive
from transfergrid.planning.cells import Cell
from transfergrid.planning.grid import Point
from transfergrid.planning.paths import RESULTS, cell_directory
from transfergrid.planning.recipe import Recipe

SAMPLES = 20
"""How many finished cells of each kind have their train.json read."""

Kind = tuple[object, ...]


def kinds(point: Point) -> tuple[Kind, ...]:
    """Return the kinds of cell with a cost like this one's, the most similar first."""
    dataset, architecture, protocol = point.dataset, point.architecture, point.protocol
    return (
        (dataset, architecture, protocol, point.truncation),
        (dataset, architecture, protocol),
        (dataset, architecture, point.truncation),
        (dataset, protocol),
        (),
    )


class Pace:
    """How long cells of each kind take for an epoch, learnt as they finish.

    Args:
        cells: All cells by name.
        results: Root of all outputs.
    """

    def __init__(self, cells: Mapping[str, Cell], results: Path = RESULTS) -> None:
        self._kinds = {name: kinds(cell.point) for name, cell in cells.items()}
        self._results = results
        # Trials of learning rates are shorter than other trainings of the same network.
        self._epochs = {
            name: Recipe.from_dict(json.loads(cell.spec)["recipe"]).epochs
            for name, cell in cells.items()
        }
        self._trials = {name for name, cell in cells.items() if cell.trial}
        self._trained: dict[str, float] = {}
        self._scored: dict[str, float] = {}
        self._samples: dict[Kind, int] = {}

    def learn(self, live: Iterable[CellLive]) -> None:
        """Learn from finished cells; each cell is read once, and only a few of each kind."""
        for cell in live:
            finest = self._kinds[cell.cell][0]
            if cell.state != "finished" or cell.cell in self._trained:
                continue
            if self._samples.get(finest, 0) >= SAMPLES:
                continue
            path = cell_directory(cell.cell, self._results) / "train.json"
            try:
                seconds = float(json.loads(path.read_text())["train_seconds"])
            except (OSError, ValueError, KeyError, TypeError):
                continue
            self._trained[cell.cell] = seconds / self._epochs[cell.cell]
            self._samples[finest] = self._samples.get(finest, 0) + 1
            if cell.told is not None and cell.told.stage == "evaluate":
                self._scored[cell.cell] = cell.told.time - cell.told.began

    def seconds_left(self, live: Iterable[CellLive], jobs: int) -> float | None:
        """Return the seconds until no cell is left to run; None if nobody can tell.

        Failed cells are not counted: this run does not try them again.

        Args:
            live: The cells of a grid.
            jobs: Jobs at work, which share what is left.
        """
        cells = list(live)
        means = self._means(cells)
        scoring = statistics.fmean(self._scored.values()) if self._scored else 0.0
        total, longest = 0.0, 0.0
        for cell in cells:
            left = self._left(cell, means, scoring)
            if left is None:
                return None
            total += left
            longest = max(longest, left if cell.state == "running" else 0.0)
        return max(longest, total / jobs) if jobs else None

    def _means(self, cells: Iterable[CellLive]) -> dict[Kind, float]:
        """Return mean seconds per epoch by kind; running cells stand in until one finishes."""
        running = {
            cell.cell: (told.time - told.began + told.seconds_left) / self._epochs[cell.cell]
            for cell in cells
            if cell.state == "running" and (told := cell.told) and told.seconds_left is not None
            if told.stage == "train"
        }
        return {**self._grouped(running), **self._grouped(self._trained)}

    def _grouped(self, seconds: Mapping[str, float]) -> dict[Kind, float]:
        grouped: dict[Kind, list[float]] = {}
        for name, value in seconds.items():
            for kind in self._kinds[name]:
                grouped.setdefault(kind, []).append(value)
        return {kind: statistics.fmean(values) for kind, values in grouped.items()}

    def _left(self, cell: CellLive, means: Mapping[Kind, float], scoring: float) -> float | None:
        if cell.state in ("finished", "diverged", "failed"):
            return 0.0
        told = cell.told
        scoring = 0.0 if cell.cell in self._trials else scoring
        if cell.state == "trained" or (told and cell.state == "running" and told.stage != "train"):
            return scoring
        epoch = next((means[kind] for kind in self._kinds[cell.cell] if kind in means), None)
        if cell.state == "running" and told is not None and told.seconds_left is not None:
            return told.seconds_left + scoring
        if epoch is None:
            return None
        done = 0.0
        if cell.state == "stopped" and told and told.step and told.steps:
            done = told.step / told.steps  # it resumes about where it was
        return epoch * self._epochs[cell.cell] * (1 - done) + scoring
