"""Draw a study's figures as SVG, or bring one of them back."""

from __future__ import annotations

import argparse
from pathlib import Path

from transfergrid.planning.gathered import read_study
from transfergrid.planning.unchanged import hold_figures
from transfergrid.runtime.heartbeat import heartbeat
from transfergrid.runtime.program import run_program


def main() -> None:
    """Read the tables and histories, write one file per figure that has something to show."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stamp", type=Path, required=True, help="stamp of the stage")
    parser.add_argument("--figure", help="one that was drawn and is lost; all where left out")
    arguments = parser.parse_args()
    study = read_study(arguments.stamp)
    hold_figures(study)
    from transfergrid.reporting.figures.data import read_figure_data
    from transfergrid.reporting.figures.drawing import draw_all, draw_one, lacking
    from transfergrid.reporting.figures.files import restore_drawn, write_drawn

    results = arguments.stamp.parents[1]
    folder = results / study["name"]
    with heartbeat("drawing figures"):
        data = read_figure_data(study, results)
        if arguments.figure:
            restore_drawn(folder, draw_one(data, arguments.figure))
            return
        for name, reason in lacking(data).items():
            print(f"figure '{name}' is not drawn: {reason}")
        write_drawn(folder, draw_all(data))


if __name__ == "__main__":
    run_program(main)
