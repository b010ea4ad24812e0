"""Ensemble the checkpoints of a part of a study's cells by all of its selection rules."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from transfergrid.planning.paths import cell_directory
from transfergrid.planning.records import SPEC, read_spec
from transfergrid.planning.shards import shards
from transfergrid.planning.unchanged import hold_cell, read_stamp
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.program import run_program
from transfergrid.runtime.progress import progress


def main() -> None:
    """Make what is due, cell by cell, then the receipt; a cell that fails stops no other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stamp", type=Path, required=True, help="stamp of the stage")
    parser.add_argument("--receipt", type=Path, required=True, help="receipt of the part, to write")
    arguments = parser.parse_args()
    study = read_stamp(arguments.stamp, "ensembles")
    cells, results = shards(study["targets"])[arguments.receipt.stem], arguments.stamp.parents[1]
    from transfergrid.evaluation.ensembles import Ensembles, write_receipt

    selections = study["evaluation"]["selections"]
    wanted = Ensembles(results, study["name"], selections, study["code"], study["outlined"])
    made: dict[str, str] = {}
    faults: list[str] = []
    for cell in progress(cells, len(cells), "ensembles of cells"):
        try:
            hold_cell(read_spec(cell_directory(cell, results) / SPEC))
            made |= wanted.make(cell)
        except UserError as error:
            faults.append(f"{cell}: {error}")
    if faults:
        for fault in faults[1:]:
            print(f"error: {fault}", file=sys.stderr)
        raise UserError(faults[0])
    write_receipt(arguments.receipt, made)


if __name__ == "__main__":
    run_program(main)
