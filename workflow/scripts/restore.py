"""Bring back a record of a trained cell that was lost, from the copy that its training left."""

from __future__ import annotations

import argparse
from pathlib import Path

from transfergrid.planning.records import restore
from transfergrid.runtime.program import run_program


def main() -> None:
    """Write the record again; nothing is trained."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, help="results/cells/<cell>/<record>")
    arguments = parser.parse_args()
    restore(arguments.output.parent, arguments.output.name)


if __name__ == "__main__":
    run_program(main)
