"""A study of 5,000 cells: parsing, dry runs, `plan`, specifications, ensembles and tables.

Dry runs alternate with those of a bare workflow of the same jobs and files (see made_grid.py). Both
times on the clock and of the processor are given: the latter hardly changes on a busy machine.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from common import Cost, heading, median, parse, row, run, table
from made_grid import SELECTIONS, mirror, write_bare, write_receipts, write_results, write_study

from transfergrid.catalog.tables import ANALYSES
from transfergrid.planning.paths import PROJECT

PARSE = """
from pathlib import Path
from transfergrid.planning.plan import plan_run
plan_run([Path("study.yaml")], {}).write_scratch(Path(".snakemake/transfergrid"))
"""


def snakemake(*arguments: str | Path, bare: bool = False) -> list[str | Path]:
    command: list[str | Path] = [sys.executable, "-m", "snakemake", "--cores", "2"]
    if not bare:
        command += ["--snakefile", PROJECT / "Snakefile", "--configfile", "study.yaml"]
    return [*command, *arguments]


COLUMNS = ("what", "s", "processor, s", "memory, MiB")


def show(name: str, cost: Cost) -> None:
    row(name, cost.wall, cost.cpu, cost.memory)


def parsing(folder: Path, runs: int) -> None:
    heading("Parsing")
    table(COLUMNS)
    costs = [run([sys.executable, "-c", PARSE], folder) for _ in range(runs + 1)]
    show("planning and stamps, first time", costs[0])
    show("planning and stamps, later", median(costs[1:]))


def dry_runs(ours: Path, bare: Path, runs: int) -> None:
    heading("Dry runs")
    table(("what", "ours, s", "bare, s", "ratio", "ours, cpu s", "bare, cpu s", "ratio"))
    for name, part in (("nothing made", "cold"), ("all made", "warm")):
        costs: tuple[list[Cost], list[Cost]] = ([], [])
        for _ in range(runs):
            costs[0].append(run(snakemake("-n"), ours / part))
            costs[1].append(run(snakemake("-n", bare=True), bare / part))
            for folder in (ours / part, bare / part):
                idle = "Nothing to be done" in (folder / "last.log").read_text()
                assert idle == (part == "warm"), folder
        a, b = map(median, costs)
        row(name, a.wall, b.wall, a.wall / b.wall, a.cpu, b.cpu, a.cpu / b.cpu)


def plans(ours: Path, runs: int) -> None:
    heading("Plan")
    table(COLUMNS)
    command = [sys.executable, "-m", "transfergrid.commands.main", "plan", "study.yaml"]
    for name, part in (("nothing made", "cold"), ("all made", "warm")):
        show(name, median([run(command, ours / part) for _ in range(runs)]))


def first_run(folder: Path, cells: int) -> None:
    plan = write_study(folder, cells, chained=False)
    write_receipts(folder, plan)
    heading("A first run")
    table(COLUMNS)
    show(f"{cells} specifications, two at a time", run(snakemake("--until", "spec"), folder))


def ensembles(folder: Path, runs: int) -> None:
    heading("Ensembles")
    table(COLUMNS)
    (stamp,) = (folder / "results" / "stamps").glob("grid.ensemble.*")
    cell = next((folder / "results" / "cells").glob("films-*"))
    command = [
        sys.executable,
        PROJECT / "workflow" / "scripts" / "ensemble.py",
        "--cell",
        cell.name,
    ]
    command += ["--selection", SELECTIONS[0], "--stamp", stamp.relative_to(folder)]
    command += ["--valid", "made/valid.parquet", "--test", "made/test.parquet"]
    show("one job", median([run(command, folder) for _ in range(3 * runs)]))


def tables(folder: Path) -> None:
    heading("Tables")
    table(COLUMNS)
    program = PROJECT / "workflow" / "scripts" / "analyse.py"
    for stage in ANALYSES:
        if stage.threads > 1:  # they read every cell, in several processes
            (stamp,) = (folder / "results" / "stamps").glob(f"grid.{stage.name}.*")
            words = ["--stamp", stamp.relative_to(folder), "--threads", "2"]
            show(f"{stage.name}, two processes", run([sys.executable, program, *words], folder))


def main(words: Sequence[str] | None = None) -> None:
    def more(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--cells", type=int, default=5_000, help="a multiple of ten")
        parser.add_argument("--folder", type=Path, help="where to make files, 1.2 GB")

    arguments = parse(__doc__, words, more=more)
    cells = 10 if arguments.quick else arguments.cells
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        ours, bare = Path(name) / "ours", Path(name) / "bare"
        for part in ("cold", "warm"):
            plan = write_study(ours / part, cells)
            write_bare(bare / part, plan)
        write_results(ours / "warm", plan)
        mirror(ours / "warm", bare / "warm")
        print(f"{cells} cells")
        parsing(ours / "cold", arguments.runs)
        ensembles(ours / "warm", arguments.runs)
        if not arguments.quick:  # Snakemake alone takes seconds
            dry_runs(ours, bare, arguments.runs)
            plans(ours, arguments.runs)
            tables(ours / "warm")
            first_run(ours / "first", cells)


if __name__ == "__main__":
    main()
