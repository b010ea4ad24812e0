"""Gather in a table where a study's class activation maps point."""

from __future__ import annotations

import argparse
from pathlib import Path

from transfergrid.planning.unchanged import read_stamp
from transfergrid.runtime.program import run_program


def main() -> None:
    """Read every cell's record; write cams.csv."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stamp", type=Path, required=True, help="stamp of the stage")
    arguments = parser.parse_args()
    study = read_stamp(arguments.stamp, "panels")
    from transfergrid.reporting.tables.pointing import write_cams

    write_cams(study, arguments.stamp.parents[1] / study["name"])


if __name__ == "__main__":
    run_program(main)
