"""A study of 5,000 cells: parsing, dry runs, specifications, ensembles and tables.

Dry runs alternate with those of a bare workflow of the same jobs and files (see made_grid.py). Both
times on the clock and of the processor are given: the latter hardly changes on a busy machine.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from made_grid import SELECTIONS, mirror, write_bare, write_receipts, write_results, write_study

from transfergrid.planning.paths import PROJECT

PARSE = """
from pathlib import Path
from transfergrid.planning.plan import plan_run
plan_run([Path("study.yaml")], {}).write_scratch(Path(".snakemake/transfergrid"))
"""
TABLE = """
import sys
from pathlib import Path
from transfergrid.planning.fingerprint import read_stamp
from transfergrid.reporting import tables
from transfergrid.reporting.table_files import write_table
stamp, = Path("results/stamps").glob("grid.tables.*")
study = read_stamp(stamp, "tables")
write_table(getattr(tables, sys.argv[1])(study, Path("results"), 2), Path(sys.argv[2]))
"""


@dataclass(frozen=True)
class Cost:
    """What a command took: seconds on the clock, seconds of the processor, MiB at its largest."""

    wall: float
    cpu: float
    memory: float


def run(command: Sequence[str | Path], folder: Path) -> Cost:
    """Run a command to its end; memory is that of all its processes together."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "src"), "OMP_NUM_THREADS": "1"}
    start = time.perf_counter()
    with open(folder / "last.log", "wb") as log:
        process = subprocess.Popen(
            list(map(str, command)), cwd=folder, env=environment, stdout=log, stderr=log
        )
        peak = [0.0]
        watcher = threading.Thread(target=_watch, args=(process.pid, peak), daemon=True)
        watcher.start()
        _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    watcher.join()
    if process.returncode:
        raise SystemExit((folder / "last.log").read_text()[-4000:])
    return Cost(wall, usage.ru_utime + usage.ru_stime, peak[0])


def _watch(pid: int, peak: list[float]) -> None:
    try:
        process = psutil.Process(pid)
        while process.status() != psutil.STATUS_ZOMBIE:
            sizes = []
            for part in [process, *process.children(recursive=True)]:
                try:
                    sizes.append(part.memory_info().rss)
                except psutil.NoSuchProcess:
                    continue
            peak[0] = max(peak[0], sum(sizes) / 2**20)
            time.sleep(0.1)
    except psutil.NoSuchProcess:
        return


def snakemake(*arguments: str | Path, bare: bool = False) -> list[str | Path]:
    command: list[str | Path] = [sys.executable, "-m", "snakemake", "--cores", "2"]
    if not bare:
        command += ["--snakefile", PROJECT / "Snakefile", "--configfile", "study.yaml"]
    return [*command, *arguments]


def median(costs: Sequence[Cost]) -> Cost:
    columns = zip(*((cost.wall, cost.cpu, cost.memory) for cost in costs), strict=True)
    return Cost(*(statistics.median(column) for column in columns))


def table(title: str, columns: Sequence[str]) -> None:
    print(f"\n## {title}\n\n| {' | '.join(columns)} |\n|---|{'---:|' * (len(columns) - 1)}")


def row(name: str, cost: Cost) -> None:
    print(f"| {name} | {cost.wall:.2f} | {cost.cpu:.2f} | {cost.memory:.0f} |", flush=True)


COLUMNS = ("what", "s", "processor, s", "memory, MiB")


def parsing(folder: Path, runs: int) -> None:
    table("Parsing", COLUMNS)
    costs = [run([sys.executable, "-c", PARSE], folder) for _ in range(runs + 1)]
    row("planning and stamps, first time", costs[0])
    row("planning and stamps, later", median(costs[1:]))
    row("snakemake --list-rules", median([run(snakemake("-l"), folder) for _ in range(runs)]))


def dry_runs(ours: Path, bare: Path, runs: int) -> None:
    table(
        "Dry runs", ("what", "ours, s", "bare, s", "ratio", "ours, cpu s", "bare, cpu s", "ratio")
    )
    for name, part in (("nothing made", "cold"), ("all made", "warm")):
        costs: tuple[list[Cost], list[Cost]] = ([], [])
        for _ in range(runs):
            costs[0].append(run(snakemake("-n"), ours / part))
            costs[1].append(run(snakemake("-n", bare=True), bare / part))
            for folder in (ours / part, bare / part):
                idle = "Nothing to be done" in (folder / "last.log").read_text()
                assert idle == (part == "warm"), folder
        a, b = map(median, costs)
        print(
            f"| {name} | {a.wall:.1f} | {b.wall:.1f} | {a.wall / b.wall:.2f} "
            f"| {a.cpu:.1f} | {b.cpu:.1f} | {a.cpu / b.cpu:.2f} |",
            flush=True,
        )


def first_run(folder: Path, cells: int) -> None:
    plan = write_study(folder, cells, chained=False)
    write_receipts(folder, plan)
    table("A first run", COLUMNS)
    row(f"{cells} specifications, two at a time", run(snakemake("--until", "spec"), folder))


def ensembles(folder: Path, runs: int) -> None:
    table("Ensembles", COLUMNS)
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
    row("one job", median([run(command, folder) for _ in range(3 * runs)]))


def tables(folder: Path) -> None:
    table("Tables", COLUMNS)
    for function in ("cells_table", "bootstrap_table"):
        command = [sys.executable, "-c", TABLE, function, "made.csv"]
        row(f"{function}, two processes", run(command, folder))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=5_000, help="a multiple of ten")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to make files, 1.2 GB (default: /tmp)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        ours, bare = Path(name) / "ours", Path(name) / "bare"
        for part in ("cold", "warm"):
            plan = write_study(ours / part, arguments.cells)
            write_bare(bare / part, plan)
        write_results(ours / "warm", plan)
        mirror(ours / "warm", bare / "warm")
        print(f"{arguments.cells} cells, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        parsing(ours / "cold", arguments.runs)
        dry_runs(ours, bare, arguments.runs)
        ensembles(ours / "warm", arguments.runs)
        tables(ours / "warm")
        first_run(ours / "first", arguments.cells)
        print(f"\nload at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
