"""Scores made by the training's own process once it had ended, for evaluation to take over.

That process has the libraries, the GPU and the data at hand; for small networks starting all of
that again costs more than the scoring. Nothing relies on it: a note says which code made the scores
from which checkpoints, and if that is not what evaluation would do, evaluation scores the cell.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transfergrid.planning.naming import cell_name
from transfergrid.planning.paths import cell_directory
from transfergrid.planning.records import SCORED, TRAINED
from transfergrid.runtime.atomic import read_json, write_json
from transfergrid.runtime.hashing import as_recorded, canonical_json, sha256_text
from transfergrid.runtime.sealed import read_sealed
from transfergrid.runtime.watcher import Watcher

FOLDER = "ahead"
"""In a cell's folder, and laid out like it."""
NOTE = "note.json"


def score_ahead(
    spec: Mapping[str, Any],
    results: Path,
    device: str,
    watcher: Watcher,
    code: str,
    threads: int,
    receipt: Mapping[str, Any] | None = None,
) -> None:
    """Score a cell that has just been trained; failures are left to the job that scores.

    Args:
        spec: The content of the cell's spec.json.
        results: The folder of all outputs.
        device: "cpu" or "cuda".
        watcher: Is told of progress.
        code: Fingerprint of evaluation's code.
        threads: Threads of the CPU's kernels, which may decide the last bits on a CPU.
        receipt: The training's receipt, if it is not published yet.
    """
    from transfergrid.evaluation.predict import score_cell  # torch, which taking over never needs

    folder = cell_directory(cell_name(spec), results)
    try:
        score_cell(spec, results, device, watcher=watcher, into=begin(folder), receipt=receipt)
        sign(folder, code, threads if device == "cpu" else None, receipt)
    except Exception as error:  # the job that scores will meet it, and report it
        clear(folder)
        watcher.say(f"not scored yet ({error or 'stopped'}): a job of its own does that")


def begin(folder: Path) -> Path:
    """Return an empty folder for a cell's scores made ahead."""
    clear(folder)
    return folder / FOLDER


def sign(
    folder: Path, code: str, threads: int | None, receipt: Mapping[str, Any] | None = None
) -> None:
    """Record what made the scores that are ready in a cell's folder.

    Args:
        folder: The cell's folder.
        code: Fingerprint of evaluation's code.
        threads: Threads of the CPU's kernels; None if a GPU made them.
        receipt: The training's receipt; by default the one that is published.
    """
    receipt = read_sealed(folder / TRAINED) if receipt is None else receipt
    write_json(folder / FOLDER / NOTE, _note(receipt, code, threads))


def _note(receipt: Mapping[str, Any], code: str, threads: int | None) -> dict[str, Any]:
    # A receipt names every checkpoint by its SHA-256.
    trained = sha256_text(canonical_json(receipt))
    return {"code": code, "trained": trained, "threads": threads}


def take_over(folder: Path, code: str, threads: int) -> bool:
    """Publish ready scores as evaluation's own, the receipt last, and clear their folder.

    Args:
        folder: The cell's folder.
        code: Fingerprint of evaluation's code.
        threads: Threads of the CPU's kernels with which it would be scored.

    Returns:
        Whether the cell is scored now.
    """
    ahead = folder / FOLDER
    try:
        receipt = read_sealed(ahead / SCORED)
        trained = read_sealed(folder / TRAINED)
        said = read_json(ahead / NOTE) in [_note(trained, code, n) for n in (threads, None)]
        good = said and as_recorded(ahead, receipt["files"])
        if good:
            for name in (*receipt["files"], SCORED):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(ahead / name, folder / name)
    except (OSError, ValueError, KeyError, TypeError):
        good = False
    clear(folder)
    return good


def clear(folder: Path) -> None:
    """Remove the ready scores from a cell's folder."""
    shutil.rmtree(folder / FOLDER, ignore_errors=True)
