"""The file of a study's most confident errors."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from transfergrid.reporting.tables.stage_files import read_made, seal_stage
from transfergrid.runtime.atomic import write_json

NAME = "mistakes.json"
"""The file's name in the study's folder."""
POSITIVE, NEGATIVE = "false positive", "false negative"


@dataclass(frozen=True)
class Mistake:
    """A test study on the wrong side of a threshold.

    Attributes:
        run: The cell, or the run over folds, that it is an error of.
        cell: The cell that says so: of a run, that of the fold that tests the study.
        task: The label, or the class against the rest.
        kind: `POSITIVE` or `NEGATIVE`.
        place: Which study of the cell's test split it is, from 1.
        probability: The ensemble's, in [0, 1].
        threshold: From which probability on a study is called positive.
        views: Films of the study, of which the first is shown.
        picture: That film as a data URI.
        fold: The fold whose test part it is in; empty without folds.
        other: Of classes, of which one is chosen: the true one of a false positive, the most
            probable one of a false negative. Empty of labels.
    """

    run: str
    cell: str
    task: str
    kind: str
    place: int
    probability: float
    threshold: float
    views: int = 0
    picture: str = ""
    fold: str = ""
    other: str = ""


def write_mistakes(folder: Path, mistakes: Iterable[Mistake]) -> None:
    """Write a study's errors into its folder, and the stage's receipt."""
    write_json(folder / NAME, {"mistakes": [asdict(one) for one in mistakes]})
    seal_stage(folder, "mistakes", [NAME])


def read_mistakes(folder: Path) -> tuple[Mistake, ...]:
    """Return a study's errors; none where no stage has made any.

    Raises:
        UserError: The file is not what was written.
    """
    if not (folder / NAME).is_file():
        return ()
    found = json.loads(read_made(folder, NAME))["mistakes"]
    return tuple(Mistake(**one) for one in found)
