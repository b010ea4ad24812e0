"""Publish the planned specifications of several cells."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from transfergrid.planning.naming import cell_name
from transfergrid.runtime.atomic import write_text
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.program import run_program


def main() -> None:
    """Write each specification, checked against its cell's name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--planned", type=Path, required=True, help="file that holds them")
    parser.add_argument("outputs", type=Path, nargs="+", help="results/cells/<cell>/spec.json")
    arguments = parser.parse_args()
    planned: Path = arguments.planned
    anew = "run snakemake again, which plans again"
    if not planned.is_file():
        raise UserError(f"{planned} is missing, which holds planned specifications; {anew}.")
    specs: dict[str, str] = json.loads(planned.read_text(encoding="utf-8"))
    for output in arguments.outputs:
        text = specs[output.parent.name]
        if cell_name(json.loads(text)) != output.parent.name:
            raise UserError(f"{planned} was edited by hand; delete it and {anew}.")
        write_text(output, text)
    planned.unlink()


if __name__ == "__main__":
    run_program(main)
