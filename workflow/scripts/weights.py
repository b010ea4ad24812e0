"""Check released weights and store them as safetensors with their proof."""

from __future__ import annotations

import argparse
from pathlib import Path

from transfergrid.models.rebuild import prepare_weights
from transfergrid.planning.notes import find_note
from transfergrid.planning.paths import RESULTS
from transfergrid.runtime.heartbeat import heartbeat
from transfergrid.runtime.program import run_program


def main() -> None:
    """Prepare the weights that this run's notes describe."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--id", required=True, help="id of the weights")
    parser.add_argument("--notes", type=Path, required=True, help="folder of planned notes")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of results")
    arguments = parser.parse_args()
    with heartbeat(f"preparing weights {arguments.id}"):
        prepare_weights(find_note(arguments.id, arguments.notes), arguments.results)


if __name__ == "__main__":
    run_program(main)
