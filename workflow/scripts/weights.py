"""Check released weights and store them as safetensors with their proof."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from transfergrid.models.rebuild import prepare_weights
from transfergrid.runtime.errors import run_program


def main() -> None:
    """Prepare the weights that a location stamp describes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--location", type=Path, required=True, help="stamp that says where they lie"
    )
    arguments = parser.parse_args()
    note = json.loads(arguments.location.read_text(encoding="utf-8"))
    prepare_weights(note, results=arguments.location.parents[1])


if __name__ == "__main__":
    run_program(main)
