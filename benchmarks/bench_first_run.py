"""A first run of 5,000 cells without their trainings, against an earlier build.

Both builds plan the same study. Snakemake first makes its specifications; then made-up records and
scores are put where trainings and scoring would have left them (made_grid.py), and Snakemake makes
all the rest: ensembles, tables, statistics, figures, page. Nothing waits for anything but these.

--before names a checkout of the build to compare with; the two take turns. Snakemake's own share is
the processor's time of its own process, which plans, schedules and starts, out of that of all. Each
half is a run of Snakemake with its own start, so that a real first run has one start less.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from common import Cost, as_share, heading, median, parse, row, run, table

from transfergrid.planning.paths import PROJECT

# Run with the modules of a build, because its cells have names of their own.
PLAN = """
import sys
from pathlib import Path
from made_grid import write_receipts, write_study
folder = Path(sys.argv[1])
plan = write_study(folder, int(sys.argv[2]), chained=False)
write_receipts(folder, plan)
print("\\n".join(f"results/cells/{cell}/spec.json" for cell in plan.cells))
"""
SCORES = """
import sys
from pathlib import Path
import made_grid
from transfergrid.planning.plan import plan_run
from transfergrid.runtime.hashing import canonical_json
folder = Path(sys.argv[1])
plan, results = plan_run([folder / "study.yaml"], {}), folder / "results"
for stamp, content in plan.stamps.items():
    made_grid._put(results / "stamps" / stamp, canonical_json(content))
few = range(min(made_grid.VARIANTS, len(plan.cells)))
drawn = [made_grid._draw(folder / "drawn" / str(n), 14, n) for n in few]
for number, cell in enumerate(plan.cells.values()):
    made_grid._write_cell(results, cell, drawn[number % len(drawn)])
"""
TIMES = """
import sys
from pathlib import Path
from made_grid import set_times
set_times(Path(sys.argv[1]))
"""


@dataclass(frozen=True)
class Build:
    """A checkout, and the folder that it runs in."""

    name: str
    project: Path
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """What makes a program use its modules."""
        places = (self.project / "src", self.project / "benchmarks")
        return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, places))}

    def python(self, text: str, *words: object) -> str:
        """Run a program's text, and return what it prints."""
        command = [sys.executable, "-c", text, self.folder, *words]
        done = subprocess.run(
            list(map(str, command)),
            env=self.environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        return done.stdout

    def snakemake(self, *targets: str) -> Cost:
        """Run Snakemake, its default profile included, and return what that took."""
        command = [sys.executable, "-m", "snakemake", "--snakefile", self.project / "Snakefile"]
        command += ["--cores", "2", "--configfile", "study.yaml", "--quiet", "all", "--"]
        return run([*command, *targets], self.folder, self.environment)


def first_run(build: Build, cells: int, quick: bool) -> tuple[Cost, Cost]:
    """Return the costs of the specifications, and of all that follows the scores.

    With `quick` the latter ends before the tables.
    """
    build.folder.mkdir(parents=True)
    specs = build.python(PLAN, cells).split()
    specified = build.snakemake(*specs)
    build.python(SCORES)
    shutil.rmtree(build.folder / "results" / "grid")  # what is to be made
    build.python(TIMES)
    last = "gathered.json" if quick else "report.html"
    rest = build.snakemake(*[f"results/grid/{last}"] * quick)
    assert (build.folder / "results" / "grid" / last).is_file()
    return specified, rest


def main(words: Sequence[str] | None = None) -> None:
    def more(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--cells", type=int, default=5_000, help="a multiple of ten")
        parser.add_argument("--before", type=Path, help="a checkout of the build to compare with")
        parser.add_argument("--folder", type=Path, help="where to make files, 1.2 GB per build")

    arguments = parse(__doc__, words, more=more)
    cells = 10 if arguments.quick else arguments.cells
    heading("A first run without its trainings", f"{cells} cells; runs: {arguments.runs}.")
    places = {"this": PROJECT} | (
        {"before": arguments.before.resolve()} if arguments.before else {}
    )
    found: dict[str, list[tuple[Cost, Cost]]] = {name: [] for name in places}
    for turn in range(arguments.runs):
        names = list(places) if turn % 2 == 0 else [*reversed(places)]
        for name in names:
            with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
                build = Build(name, places[name], Path(folder) / "run")
                found[name].append(first_run(build, cells, arguments.quick))
    table(("build", "what", "s", "processor, s", "Snakemake's share", "memory, MiB"), texts=2)
    walls = {}
    for name, runs in found.items():
        parts = [median(costs) for costs in zip(*runs, strict=True)]
        for what, cost in zip(("specifications", "all that follows"), parts, strict=True):
            share = as_share(cost.own / cost.cpu)
            row(name, what, cost.wall, cost.cpu, share, cost.memory)
        walls[name] = sum(cost.wall for cost in parts)
        total = sum(cost.cpu for cost in parts)
        share = as_share(sum(cost.own for cost in parts) / total)
        row(name, "together", walls[name], total, share, max(cost.memory for cost in parts))
    if "before" in walls:
        print(f"\nThis build takes {as_share(walls['this'] / walls['before'])} of the time before.")


if __name__ == "__main__":
    main()
