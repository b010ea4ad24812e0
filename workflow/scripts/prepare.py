"""Decode one data set to its cache: uint8 arrays, index.parquet, card.json."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from transfergrid.data.rebuild import rebuild_cache
from transfergrid.runtime.errors import run_program


def main() -> None:
    """Build the cache that a location stamp describes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--location", type=Path, required=True, help="stamp that says where it lies"
    )
    parser.add_argument("--threads", type=int, default=1, help="parallel decoders")
    arguments = parser.parse_args()
    note = json.loads(arguments.location.read_text(encoding="utf-8"))
    rebuild_cache(note, results=arguments.location.parents[1], workers=arguments.threads)


if __name__ == "__main__":
    run_program(main)
