"""Scores that the training's own process made once it had ended, for evaluation to take over.

That process has the libraries, the GPU and the data at hand; on small networks starting all of that
again costs more than the scoring. Nothing rests on it: a note says which code made the scores and
of which checkpoints, and where it does not agree with what evaluation would do, evaluation scores.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from transfergrid.runtime.atomic import read_json, write_json
from transfergrid.runtime.hashing import as_recorded, sha256_file

FOLDER = "ahead"
"""Under a cell's folder; laid out as that one is."""
NOTE = "note.json"
RECEIPT = Path("receipts") / "evaluate.json"


def begin(folder: Path) -> Path:
    """Return an empty place for the scores of a cell to lie ready in."""
    clear(folder)
    return folder / FOLDER


def sign(folder: Path, code: str) -> None:
    """Say what made the scores that lie ready in a cell's folder.

    Args:
        folder: The cell's folder.
        code: Fingerprint of evaluation's code.
    """
    write_json(folder / FOLDER / NOTE, {"code": code, "trained": _trained(folder)})


def take_over(folder: Path, code: str) -> bool:
    """Publish scores that lie ready as evaluation's own, the receipt last; clear what lay ready.

    Args:
        folder: The cell's folder.
        code: Fingerprint of evaluation's code.

    Returns:
        Whether the cell is scored now.
    """
    ahead = folder / FOLDER
    try:
        receipt = read_json(ahead / RECEIPT)
        said = read_json(ahead / NOTE) == {"code": code, "trained": _trained(folder)}
        good = said and as_recorded(ahead, receipt["files"])
        if good:
            for name in (*receipt["files"], RECEIPT):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(ahead / name, folder / name)
    except (OSError, ValueError, KeyError, TypeError):
        good = False
    clear(folder)
    return good


def clear(folder: Path) -> None:
    """Remove what lies ready in a cell's folder."""
    shutil.rmtree(folder / FOLDER, ignore_errors=True)


def _trained(folder: Path) -> str:
    # It names every checkpoint by its SHA-256.
    return sha256_file(folder / "receipts" / "train.json")
