"""Draw a study's figures as SVG."""

from __future__ import annotations

import argparse
from pathlib import Path

from transfergrid.planning.unchanged import read_stamp
from transfergrid.runtime.atomic import write_text
from transfergrid.runtime.heartbeat import heartbeat
from transfergrid.runtime.program import run_program


def main() -> None:
    """Read the tables and histories, write one file a figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stamp", type=Path, required=True, help="stamp of the stage")
    arguments = parser.parse_args()
    study = read_stamp(arguments.stamp, "figures")
    from transfergrid.reporting.figures.data import read_figure_data
    from transfergrid.reporting.figures.drawings import draw_all
    from transfergrid.reporting.tables.stage_files import seal_stage

    results = arguments.stamp.parents[1]
    with heartbeat("drawing figures"):
        drawings = draw_all(read_figure_data(study, results))
    for name, svg in drawings.items():
        write_text(results / study["name"] / "figures" / f"{name}.svg", svg)
    seal_stage(results / study["name"], "figures")


if __name__ == "__main__":
    run_program(main)
