"""Write a study's report: one HTML file that needs no network."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from transfergrid.planning.fingerprint import code_files
from transfergrid.planning.gathered import read_study
from transfergrid.planning.unchanged import check_templates
from transfergrid.runtime.atomic import write_text
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.heartbeat import heartbeat
from transfergrid.runtime.program import run_program


def main() -> None:
    """Read tables, figures and the cells' records, write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stamp", type=Path, required=True, help="stamp of the stage")
    parser.add_argument("--output", type=Path, required=True, help="the page")
    arguments = parser.parse_args()
    study = read_study(arguments.stamp)
    from transfergrid.reporting.page.material import read_report
    from transfergrid.reporting.page.page import render
    from transfergrid.reporting.tables.stage_files import seal_stage

    with heartbeat("writing the page"):
        page = render(read_report(study, arguments.stamp.parents[1], code_files()))
    check_templates(study["templates"])
    write_text(arguments.output, page)
    seal_stage(arguments.output.parent, "report", [arguments.output.name])
    list_studies(arguments.stamp.parents[1])


def list_studies(results: Path) -> None:
    """Write the index of all studies, on which nothing depends: a fault there fails no study."""
    from transfergrid.commands.index import write_index

    try:
        write_index(results)
    except (OSError, UserError) as error:
        print(f"the index of all studies was not written: {error}", file=sys.stderr)


if __name__ == "__main__":
    run_program(main)
