"""What a finished cell says of the films of another hospital: its stored scores, and ensembles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from transfergrid.evaluation.ensemble import Ensemble, cell_metric, choose_checkpoints, ensembles
from transfergrid.evaluation.scores import Scores, read_cell_scores, read_scores, write_scores
from transfergrid.planning.ends import weighings_directory
from transfergrid.planning.records import RECEIPT, read_receipt
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import sha256_file
from transfergrid.runtime.sealed import write_sealed
from transfergrid.runtime.verified import load_verified

FILE = "scores.npz"


@dataclass(frozen=True)
class External:
    """The scores of a cell on another data set.

    Attributes:
        scores: Of every kept checkpoint, on the tasks that both data sets have.
        card: What the other data set's card says of all of its films: ``synthetic``, ``patients``.
        left_out: Tasks of the cell that the other data set lacks, or that were not asked for.
    """

    scores: Scores
    card: Mapping[str, Any]
    left_out: tuple[str, ...]


def write_external(folder: Path, found: External) -> None:
    """Write the scores, then the receipt."""
    write_scores(folder / FILE, found.scores)
    receipt = {
        "files": {FILE: sha256_file(folder / FILE)},
        "card": dict(found.card),
        "left_out": list(found.left_out),
    }
    write_sealed(folder / RECEIPT, receipt)


def read_external(external_id: str, results: Path) -> External:
    """Read what a cell scores on another data set.

    Raises:
        UserError: There is no receipt, or a file is not what was written.
    """
    folder = weighings_directory(external_id, results)
    mend = f"remove {folder} and run snakemake again, which scores the cell there again"
    receipt = read_receipt(folder, mend)
    scores = load_verified(
        folder / FILE, receipt["files"].get(FILE), lambda path: read_scores(path, mend), mend
    )
    return External(scores, receipt["card"], tuple(receipt["left_out"]))


def external_ensembles(
    found: External, folder: Path, selections: Sequence[str]
) -> dict[str, Ensemble]:
    """Average the probabilities of the checkpoints that each selection has chosen.

    They are chosen on the cell's own validation films, as for its own test films.

    Args:
        found: The cell's scores on another data set.
        folder: The cell's folder.
        selections: Selection rules.

    Returns:
        The ensembles on the other data set's films by selection.

    Raises:
        UserError: The cell is not scored, or its checkpoints are not those that were scored there.
    """
    valid, metric = read_cell_scores(folder, "valid"), cell_metric(folder)
    scores = found.scores
    if not np.array_equal(valid.step, scores.step):
        raise UserError(
            f"the checkpoints of {folder.name} that were scored on other films are not those of "
            "its own scores; run snakemake again, which scores them again."
        )
    order = valid.task.tolist()
    rows = [order.index(task) for task in scores.task.tolist()]
    chosen = [choose_checkpoints(name, valid, metric)[rows] for name in selections]
    return dict(zip(selections, ensembles(scores, chosen), strict=True))
