"""Decode one data set to its cache: uint8 arrays, index.parquet, card.json."""

from __future__ import annotations

import argparse
from pathlib import Path

from transfergrid.data.rebuild import rebuild_cache
from transfergrid.planning.notes import find_note
from transfergrid.planning.paths import RESULTS
from transfergrid.runtime.heartbeat import heartbeat
from transfergrid.runtime.program import run_program


def main() -> None:
    """Build the cache that this run's notes describe."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--id", required=True, help="id of the data set")
    parser.add_argument("--notes", type=Path, required=True, help="folder of planned notes")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of results")
    parser.add_argument("--threads", type=int, default=1, help="parallel decoders")
    arguments = parser.parse_args()
    note = find_note(arguments.id, arguments.notes)
    with heartbeat(f"preparing data set {arguments.id}"):
        rebuild_cache(note, arguments.results, arguments.threads)


if __name__ == "__main__":
    run_program(main)
