"""A study of 5,000 cells: parsing, dry runs, `plan`, tables (a first run: bench_first_run.py).

Dry runs alternate with those of a bare workflow of the same jobs and files (see bare_grid.py), and
with --before with those of an earlier checkout. Both times on the clock and of the processor are
given: the latter hardly changes on a busy machine.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bare_grid import mirror, write_bare
from common import Cost, environment, heading, median, parse, row, run, table
from made_grid import write_study

from transfergrid.catalog.tables import ANALYSES
from transfergrid.planning.paths import PROJECT

PARSE = """
from pathlib import Path
from transfergrid.planning.plan import plan_run
plan_run([Path("study.yaml")], {}).write_scratch(Path(".snakemake/transfergrid"))
"""
MAKE = """
import sys
from pathlib import Path
from made_grid import write_results, write_study
plan = write_study(Path(), int(sys.argv[1]))
if sys.argv[2] == "warm":
    write_results(Path(), plan)
"""
COLUMNS = ("what", "s", "processor, s", "memory, MiB")


def snakemake(*arguments: str | Path, project: Path | None = PROJECT) -> list[str | Path]:
    """Return a command of Snakemake, of the bare workflow without a project."""
    command: list[str | Path] = [sys.executable, "-m", "snakemake", "--cores", "2"]
    if project is not None:
        command += ["--snakefile", project / "Snakefile", "--configfile", "study.yaml"]
    return [*command, *arguments]


def show(name: str, cost: Cost) -> None:
    row(name, cost.wall, cost.cpu, cost.memory)


def parsing(folder: Path, runs: int) -> None:
    heading("Parsing")
    table(COLUMNS)
    costs = [run([sys.executable, "-c", PARSE], folder) for _ in range(runs + 1)]
    show("planning and stamps, first time", costs[0])
    show("planning and stamps, later", median(costs[1:]))


def make(folder: Path, cells: int, part: str, project: Path = PROJECT) -> Path:
    """Make a study as a checkout makes it, cold or warm, which is with its results."""
    folder.mkdir(parents=True)
    run([sys.executable, "-c", MAKE, str(cells), part], folder, environment(project))
    return folder


def in_turn(runs: Mapping[str, Callable[[], Cost]], turns: int) -> dict[str, Cost]:
    """Run things in turn, every other time in reverse; return the median costs of each."""
    costs: dict[str, list[Cost]] = {name: [] for name in runs}
    for turn in range(turns):
        for name in list(runs)[:: 1 if turn % 2 == 0 else -1]:
            costs[name].append(runs[name]())
    return {name: median(found) for name, found in costs.items()}


def against(costs: Mapping[str, Cost]) -> None:
    """Print costs as rows, and as ratios to the first one's."""
    first = next(iter(costs.values()))
    for name, cost in costs.items():
        row(name, cost.wall, cost.cpu, cost.memory, first.wall / cost.wall, first.cpu / cost.cpu)


RATIOS = (*COLUMNS, "first ÷ this, s", "processor, s")


def dry(folder: Path, project: Path | None, done: bool) -> Callable[[], Cost]:
    def once() -> Cost:
        cost = run(snakemake("-n", project=project), folder, environment(project or PROJECT))
        assert ("Nothing to be done" in (folder / "last.log").read_text()) == done, folder
        return cost

    return once


def dry_runs(folder: Path, cells: int, before: Path | None, runs: int) -> None:
    """Compare dry runs of the checkouts and of the bare workflow, with nothing and all made."""
    for part in ("cold", "warm"):
        heading(f"Dry runs, {'all' if part == 'warm' else 'nothing'} made")
        table(RATIOS)
        compared = {"before": before, "now": PROJECT} if before else {"now": PROJECT}
        places = {name: make(folder / part / name, cells, part, p) for name, p in compared.items()}
        plan = write_study(places["now"], cells)
        bare = folder / part / "bare"
        write_bare(bare, plan, trained=part == "warm")
        if part == "warm":
            mirror(places["now"], bare)
        asked = {name: dry(places[name], p, part == "warm") for name, p in compared.items()}
        against(in_turn({**asked, "bare workflow": dry(bare, None, part == "warm")}, runs))


def plans(parts: Mapping[str, Path], runs: int) -> None:
    heading("Plan")
    table(COLUMNS)
    command = [sys.executable, "-m", "transfergrid.commands.main", "plan", "study.yaml"]
    for name, part in (("nothing made", "cold"), ("all made", "warm")):
        show(name, median([run(command, parts[part]) for _ in range(runs)]))


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
        parser.add_argument("--folder", type=Path, help="where to make files, 1.2 GB a checkout")
        parser.add_argument("--before", type=Path, help="an earlier checkout, to compare with")
        parser.add_argument(
            "--only", choices=("parsing", "dry", "plan", "tables"), help="one part alone"
        )

    arguments = parse(__doc__, words, more=more)
    cells, runs = (10 if arguments.quick else arguments.cells), arguments.runs
    before = arguments.before and arguments.before.resolve()
    only = "parsing" if arguments.quick else arguments.only  # Snakemake alone takes seconds
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        print(f"{cells} cells")
        if only in (None, "parsing"):
            parsing(make(folder / "parsed", cells, "cold"), runs)
        if only in (None, "dry"):
            dry_runs(folder / "dry", cells, before, runs)
        if only in (None, "plan", "tables"):
            parts = {part: make(folder / part, cells, part) for part in ("cold", "warm")}
            if only in (None, "plan"):
                plans(parts, runs)
            if only in (None, "tables"):
                tables(parts["warm"])


if __name__ == "__main__":
    main()
