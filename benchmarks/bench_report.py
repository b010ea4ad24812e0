"""The report of a study of 200 cells (--cells), from its stored scores to the page.

The study is made up (made_grid.py): fourteen tasks, ten checkpoints, 500 studies, histories of
twenty validations. Each stage is its own process, as its rule starts it. The goal is on the last
two, which draw figures and write the page.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from common import Cost, heading, median, parse, row, run, table
from made_grid import STUDY, write_history, write_results, write_study

from transfergrid.catalog.tables import ANALYSES
from transfergrid.planning.paths import PROJECT

PROGRAMS = {
    **{stage.name: ("analyse.py", ("--threads", "2")) for stage in ANALYSES if not stage.asked_by},
    "figures": ("draw_figures.py", ()),
    "report": ("write_page.py", ("--output", f"results/{STUDY}/report.html")),
}
"""The program of each stage after the ensembles, and what it is told beside its stamp."""
PAGE = "figures", "report"
"""What the goal is for."""


def write_histories(cells: Iterable[Path], validations: int = 20) -> None:
    for folder in cells:
        lines = []
        for n in range(1, validations + 1):
            auroc = 0.85 - 0.3 / n
            tasks = {f"finding_{t}": auroc + 0.01 * t for t in range(14)}
            line = {"step": 100 * n, "examples": 3200 * n, "epoch": n / 4, "seconds": 3.0 * n}
            line |= {"train_loss": 0.7 / n, "valid_loss": 0.8 / n, "learning_rate": 1e-4}
            line |= {"valid_score": auroc, "valid_score_tasks": tasks, "images_per_second": 1e3}
            lines.append(json.dumps(line))
        write_history(folder, "\n".join(lines) + "\n")


def stage(name: str, folder: Path) -> Cost:
    program, more = PROGRAMS[name]
    (stamp,) = (folder / "results" / "stamps").glob(f"{STUDY}.{name}.*")
    command = [sys.executable, PROJECT / "workflow" / "scripts" / program]
    return run([*command, "--stamp", stamp.relative_to(folder), *more], folder)


def main(words: Sequence[str] | None = None) -> None:
    def more(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--cells", type=int, default=200, help="a multiple of ten")

    arguments = parse(__doc__, words, more=more)
    cells = 10 if arguments.quick else arguments.cells
    heading("Report", f"{cells} cells.")
    table(("what", "s", "processor, s", "memory, MiB"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_results(folder, write_study(folder, cells))
        write_histories((folder / "results" / "cells").iterdir())
        costs = {}
        for what in PROGRAMS:
            runs = arguments.runs if what in PAGE else 1
            costs[what] = median([stage(what, folder) for _ in range(runs)])
            row(what, costs[what].wall, costs[what].cpu, costs[what].memory)
        parts = [costs[what] for what in PAGE]
        wall, cpu = sum(part.wall for part in parts), sum(part.cpu for part in parts)
        row("figures and page", wall, cpu, max(part.memory for part in parts))
        size = (folder / "results" / STUDY / "report.html").stat().st_size
        print(f"\nThe page has {size / 1e6:.1f} MB.")


if __name__ == "__main__":
    main()
