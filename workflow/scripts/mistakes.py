"""Find the most confident errors of a study's best networks on labels, and their films."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from transfergrid.data.rebuild import ensure_cache
from transfergrid.planning.gathered import read_study
from transfergrid.planning.paths import cell_directory
from transfergrid.planning.records import SPEC, read_spec
from transfergrid.planning.unchanged import hold_cell
from transfergrid.runtime.heartbeat import heartbeat
from transfergrid.runtime.program import run_program


def main() -> None:
    """Choose networks and errors by stored scores, bring back missing caches, read the films."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stamp", type=Path, required=True, help="stamp of the stage")
    parser.add_argument("--threads", type=int, default=1, help="parallel decoders")
    arguments = parser.parse_args()
    study, results = read_study(arguments.stamp), arguments.stamp.parents[1]
    # Late: what is imported is what was held.
    from transfergrid.reporting.pictures.mistakes import best_runs, mistakes_of, with_films
    from transfergrid.reporting.pictures.mistakes_file import write_mistakes

    mistakes = [
        one for run in best_runs(study, results) for one in mistakes_of(run, study, results)
    ]
    specs = [
        read_spec(cell_directory(cell, results) / SPEC)
        for cell in dict.fromkeys(one.cell for one in mistakes)
    ]
    for spec in specs:
        hold_cell(spec)
    # Everything that may need a network ran before.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    with heartbeat("looking for films"):
        for dataset in sorted({spec["dataset"]["id"] for spec in specs}):
            ensure_cache(dataset, results, arguments.threads)
        write_mistakes(results / study["name"], with_films(mistakes, study, results))


if __name__ == "__main__":
    run_program(main)
