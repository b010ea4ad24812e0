"""Rewrite resources/costs.csv: size and compute of every network that has a short name.

Run it after resources/architectures.csv or the truncations were changed:
``python workflow/scripts/list_costs.py resources/costs.csv``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from transfergrid.models.cost import cost
from transfergrid.planning.architectures import Architecture, known_architectures
from transfergrid.runtime.atomic import write_text

OUTPUTS, PX = 14, 224


def rows(architecture: Architecture) -> list[str]:
    """Return a line of CSV for each truncation of a network."""
    found = []
    for truncation in range(architecture.max_truncation + 1):
        counted = cost(architecture.record(PX), OUTPUTS, truncation, PX)
        found.append(f"{architecture.name},{truncation},{counted.params},{counted.macs}")
    return found


def main() -> None:
    """Parse, count, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, help="file to write")
    arguments = parser.parse_args()
    lines = [f"architecture,truncation,params_{OUTPUTS},macs_{PX}"]
    for architecture in known_architectures().values():
        lines += rows(architecture)
    write_text(arguments.output, "".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    main()
