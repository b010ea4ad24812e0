"""Choose a learning rate by the validation score of its trials."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from transfergrid.planning.unchanged import hold_tuning
from transfergrid.runtime.program import run_program
from transfergrid.runtime.sealed import write_sealed


def main() -> None:
    """Read the trials' records, write tuning.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", required=True, help="JSON: trial cell by learning rate")
    parser.add_argument(
        "--output", type=Path, required=True, help="results/tuning/<id>/tuning.json"
    )
    arguments = parser.parse_args()
    output: Path = arguments.output
    trials = json.loads(arguments.trials)
    hold_tuning(output.parent.name, trials)
    from transfergrid.training.choice import choose_rate

    found = choose_rate(trials, output.parents[2])
    write_sealed(output, found)
    edge = ", at an end of what was tried" if found["at_edge"] else ""
    print(f"learning rate {found['learning_rate']}{edge}", file=sys.stderr)


if __name__ == "__main__":
    run_program(main)
