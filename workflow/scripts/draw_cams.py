"""Gather a study's class activation maps in a table and a figure."""

from __future__ import annotations

import argparse
from pathlib import Path

from transfergrid.planning.fingerprint import read_stamp
from transfergrid.reporting.cams import cam_panels, cams_table, read_records
from transfergrid.reporting.style import styled, svg_text
from transfergrid.reporting.table_files import write_table
from transfergrid.runtime.atomic import write_text
from transfergrid.runtime.program import run_program


def main() -> None:
    """Read every cell's record; write cams.csv and cams.svg."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stamp", type=Path, required=True, help="stamp of the stage")
    arguments = parser.parse_args()
    study = read_stamp(arguments.stamp, "panels")
    folder = arguments.stamp.parents[1] / study["name"]
    records = read_records(study, folder / "cams")
    table = cams_table(study, records)
    write_table(table, folder / "tables" / "cams.csv")
    with styled():
        write_text(folder / "figures" / "cams.svg", svg_text(cam_panels(study, records), "cams"))


if __name__ == "__main__":
    run_program(main)
