"""Draw a study's figures as SVG."""

from __future__ import annotations

import argparse
from pathlib import Path

from transfergrid.planning.plan import FIGURES
from transfergrid.planning.unchanged import read_stamp
from transfergrid.runtime.atomic import write_text
from transfergrid.runtime.heartbeat import heartbeat
from transfergrid.runtime.program import run_program

BLANK = '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>\n'
"""Stands for a figure that has nothing to show, which the rule's outputs name all the same."""


def main() -> None:
    """Read the tables and histories, write one file a figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stamp", type=Path, required=True, help="stamp of the stage")
    arguments = parser.parse_args()
    study = read_stamp(arguments.stamp, "figures")
    from transfergrid.reporting.figures.data import read_figure_data
    from transfergrid.reporting.figures.drawing import draw_all, lacking
    from transfergrid.reporting.figures.files import write_drawn

    results = arguments.stamp.parents[1]
    folder = results / study["name"]
    with heartbeat("drawing figures"):
        data = read_figure_data(study, results)
        for name, reason in lacking(data).items():
            print(f"figure '{name}' is not drawn: {reason}")
        drawings = draw_all(data)
    write_drawn(folder, drawings)
    for name in set(FIGURES) - {drawing.shown.name for drawing in drawings}:
        write_text(folder / "figures" / f"{name}.svg", BLANK)


if __name__ == "__main__":
    run_program(main)
