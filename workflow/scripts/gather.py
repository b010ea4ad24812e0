"""Hand a study's cells on to its later stages, now that all of them are scored and ensembled."""

from __future__ import annotations

import argparse
from pathlib import Path

from transfergrid.planning.gathered import write_gathered
from transfergrid.planning.unchanged import read_stamp
from transfergrid.runtime.program import run_program


def main() -> None:
    """Write the cells that the stamp holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stamp", type=Path, required=True, help="stamp of the stage")
    arguments = parser.parse_args()
    study = read_stamp(arguments.stamp, "gather")
    write_gathered(study["cells"], arguments.stamp.parents[1] / study["name"])


if __name__ == "__main__":
    run_program(main)
