"""Time from a study file to the plan of all its cells, in a process of its own."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from common import heading, parse, row, table

CODE = """
import sys, time
start = time.perf_counter()
from pathlib import Path
from transfergrid.planning.plan import plan_run
plan = plan_run([Path(sys.argv[1])], {})
print(len(plan.cells), time.perf_counter() - start)
"""
STUDY = """
name: many
datasets: {{films: {{kind: phantom}}}}
pretrainings: {{random: {{kind: random}}}}
grid:
  - datasets: [films]
    architectures: [lcnet_050, mobilenetv3_small_050]
    pretrainings: [random]
    seeds: [{seeds}]
"""


def main(words: Sequence[str] | None = None) -> None:
    arguments = parse(__doc__, words, runs=5)
    heading("Planning")
    table(("cells", "planning, imports included, s"), texts=0)
    for cells in (20,) if arguments.quick else (20, 500, 5_000):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "study.yaml"
            path.write_text(STUDY.format(seeds=", ".join(map(str, range(cells // 2)))))
            times = []
            for _ in range(arguments.runs):
                command = [sys.executable, "-c", CODE, str(path)]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                times.append(float(done.stdout.split()[1]))
        row(cells, statistics.median(times))


if __name__ == "__main__":
    main()
