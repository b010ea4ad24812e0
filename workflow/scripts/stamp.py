"""Publish a planned stamp and remove the ones that it replaces."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from transfergrid.planning.stamps import replaced_by
from transfergrid.runtime.atomic import write_text
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import short_hash
from transfergrid.runtime.program import run_program


def main() -> None:
    """Copy the content, checked against the hash in its name, then remove the siblings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scratch", type=Path, required=True, help="folder of planned contents")
    parser.add_argument("--output", type=Path, required=True, help="results/stamps/<name>")
    arguments = parser.parse_args()

    output: Path = arguments.output
    planned = arguments.scratch / output.name
    if not planned.is_file():
        raise UserError(f"stamp {output.name} was not planned by this run; run snakemake again.")
    text = planned.read_text(encoding="utf-8")
    if short_hash(json.loads(text)) != output.name.rpartition(".")[2]:
        raise UserError(f"{planned} was edited by hand; delete it and run snakemake again.")
    write_text(output, text)
    for old in replaced_by(output):
        old.unlink(missing_ok=True)


if __name__ == "__main__":
    run_program(main)
