"""Time from a study file to the plan of all its cells, in a process of its own."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    print("| cells | planning, imports included, s |")
    print("|---:|---:|")
    for cells in (20, 500, 5_000):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "study.yaml"
            path.write_text(STUDY.format(seeds=", ".join(map(str, range(cells // 2)))))
            times = []
            for _ in range(arguments.runs):
                command = [sys.executable, "-c", CODE, str(path)]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                times.append(float(done.stdout.split()[1]))
        print(f"| {cells} | {statistics.median(times):.2f} |")


if __name__ == "__main__":
    main()
