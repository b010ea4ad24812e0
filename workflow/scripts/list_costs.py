"""Rewrite resources/costs.csv: size and compute of every network that has a short name.

Run it after resources/architectures.csv or the truncations were changed:
``python workflow/scripts/list_costs.py resources/costs.csv``, and with ``--masks`` and
``resources/mask_costs.csv`` for networks with a U-Net's decoder.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from transfergrid.models.cost import cost
from transfergrid.models.mask_size import mask_size
from transfergrid.planning.architectures import Architecture, known_architectures
from transfergrid.runtime.atomic import write_text
from transfergrid.runtime.progress import progress

OUTPUTS, PX = 14, 224
HEADER = f"architecture,truncation,params_{OUTPUTS},macs_{PX}"
MASK_HEADER = f"architecture,truncation,stored_1,macs_{PX},held_{PX}"


def rows(architecture: Architecture) -> Iterator[str]:
    """Yield a line of CSV for each truncation of a network."""
    for truncation in range(architecture.max_truncation + 1):
        counted = cost(architecture.record(PX), OUTPUTS, truncation, PX)
        yield f"{architecture.name},{truncation},{counted.params},{counted.macs}"


def mask_rows(architecture: Architecture) -> Iterator[str]:
    """Yield the same of a network with a decoder, for one structure."""
    record = architecture.record(PX)
    for truncation in range(architecture.max_truncation + 1):
        size = mask_size(record, 1, truncation, PX)
        yield f"{architecture.name},{truncation},{size.stored},{size.macs},{size.held}"


def main() -> None:
    """Parse, count, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, help="file to write")
    parser.add_argument("--masks", action="store_true", help="of networks with a decoder")
    arguments = parser.parse_args()
    header, of = (MASK_HEADER, mask_rows) if arguments.masks else (HEADER, rows)
    networks = known_architectures().values()
    told = progress(networks, len(networks), "networks")
    lines = [header, *(line for network in told for line in of(network))]
    write_text(arguments.output, "".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    main()
