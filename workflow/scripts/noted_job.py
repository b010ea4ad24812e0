"""What the programs that measure finished networks have in common.

Those whose code names cells (prepare, weights, features, train) use none of it: an edit here
measures again and trains nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transfergrid.models.rebuild import ensure_weights
from transfergrid.planning.notes import find_note
from transfergrid.planning.paths import RESULTS, cell_directory
from transfergrid.planning.records import SPEC, is_whole, read_spec
from transfergrid.planning.unchanged import hold_cell, hold_stage
from transfergrid.planning.weighings import check_weighing
from transfergrid.runtime.heartbeat import heartbeat
from transfergrid.runtime.locks import make_once


def note_parser(description: str | None, of: str) -> argparse.ArgumentParser:
    """Return a parser that knows --id, --notes and --results.

    Args:
        description: What the program does.
        of: What the id is of, such as "the state".
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--id", required=True, help=f"id of {of}")
    parser.add_argument("--notes", type=Path, required=True, help="folder of planned notes")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of results")
    return parser


def noted(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what this run's notes say that the job's result is made from."""
    made_from: dict[str, Any] = find_note(arguments.id, arguments.notes)["made_from"]
    return made_from


def hold_measured(
    arguments: argparse.Namespace, stage: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Hold the code that measures a trained cell.

    Args:
        arguments: With those of `note_parser`.
        stage: The stage that measures.

    Returns:
        What the measurement is made from, and the cell's specification.

    Raises:
        UserError: Some code was edited after the job was planned, or the specification is damaged.
    """
    made_from = noted(arguments)
    hold_stage(stage)
    check_weighing(arguments.id, made_from, stage)
    spec = read_spec(cell_directory(made_from["cell"], arguments.results) / SPEC)
    hold_cell(spec)
    return made_from, spec


def hold_weighing(
    arguments: argparse.Namespace, stage: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Do and return what `hold_measured` does, then bring back missing initial weights."""
    made_from, spec = hold_measured(arguments, stage)
    if spec["weights"]["id"]:
        ensure_weights(spec["weights"]["id"], arguments.results)
    return made_from, spec


def store_once(folder: Path, doing: str, record: Callable[[], None]) -> None:
    """Make a folder that ends with a receipt, unless it is whole; of several jobs, one makes it.

    Args:
        folder: The folder.
        doing: What the job does, for its log.
        record: Makes it.
    """
    with heartbeat(doing):
        make_once(lambda: is_whole(folder), folder.with_name(f".{folder.name}.lock"), record)
