"""What trainings, and stages with folders, leave about themselves, read as it was written.

`train.json` is sealed and names the SHA-256 of spec.json and of the files beside it that only
training can make. `finished.json`, unknown to Snakemake, holds a copy of these.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transfergrid.planning.naming import cell_name
from transfergrid.runtime.atomic import read_json, write_bytes
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import sha256_bytes
from transfergrid.runtime.sealed import read_sealed, write_sealed

FINISHED = "finished.json"
SPEC, RECORD = "spec.json", "train.json"
STATE = "resume.pt"
"""The state from which a stopped training goes on."""
LOCK, AHEAD_LOCK = ".lock", ".ahead.lock"
"""What whoever trains or scores the cell holds; and, before it, another cell's job that does."""
TRAINED, SCORED = "receipts/train.json", "receipts/evaluate.json"
"""SHA-256 of what training and scoring left; Snakemake waits for these."""
RECEIPT = "receipt.json"
"""In a folder that is no cell's: SHA-256 of its other files, written last."""
FROZEN = "frozen.safetensors"
"""Beside a cell's checkpoints: the tensors that never learned and are the same in all of them."""
KEPT = ("history.jsonl", "proof.json", "card.json")
"""What only training can make; `FINISHED` has a copy of each."""


def read_spec(path: Path) -> dict[str, Any]:
    """Read a specification; its content must match its folder's name.

    Raises:
        OSError: It cannot be read.
        UserError: It was edited, or is damaged.
    """
    try:
        spec: dict[str, Any] = json.loads(path.read_bytes())
        name = cell_name(spec)
    except (ValueError, KeyError, TypeError):
        name = "nothing that can be read"
    if name != path.parent.name:
        raise UserError(
            f"{path} describes {name}, not {path.parent.name}; it was edited or is damaged: "
            "remove the file and run snakemake again."
        )
    return spec


def read_train(folder: Path) -> dict[str, Any] | None:
    """Return a cell's train.json; None if it is not trained.

    Raises:
        UserError: The file is not what training wrote.
    """
    try:
        return read_sealed(folder / RECORD)
    except FileNotFoundError:
        return None


def read_receipt(folder: Path, mend: str) -> dict[str, Any]:
    """Return the receipt of a folder that a stage filled.

    Args:
        folder: The folder.
        mend: What the user can do if it is broken.

    Raises:
        UserError: There is none, or it is damaged.
    """
    try:
        return read_sealed(folder / RECEIPT, mend)
    except OSError:
        raise UserError(
            f"{folder / RECEIPT} is missing; run snakemake again, which makes it."
        ) from None


def is_whole(folder: Path) -> bool:
    """Tell whether every file that a folder's receipt names is there, whatever its content."""
    try:
        files = read_json(folder / RECEIPT)["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return all((folder / name).is_file() for name in files)


def kept_texts(folder: Path) -> dict[str, str]:
    """Return the text of each file in `KEPT` in a cell's folder; empty for a missing file."""
    empty = {name: "{}\n" if name.endswith(".json") else "" for name in KEPT}
    return {
        name: path.read_text(encoding="utf-8") if (path := folder / name).exists() else empty[name]
        for name in KEPT
    }


def write_finished(folder: Path, value: Mapping[str, Any], kept: Mapping[str, str]) -> None:
    """Write finished.json.

    Args:
        folder: The cell's folder.
        value: Which training it was, and its records.
        kept: What `kept_texts` returned.
    """
    write_sealed(folder / FINISHED, {**value, "kept": dict(kept)})


def restore(folder: Path, name: str) -> bytes:
    """Restore a file in `KEPT` from its copy, atomically; return its content.

    Raises:
        UserError: There is no copy, or it is not what train.json describes.
    """
    path = folder / name
    anew = f"remove {folder / RECORD} and run snakemake again, which trains the cell again"
    try:
        copy = read_sealed(folder / FINISHED)["kept"][name].encode("utf-8")
    except (OSError, KeyError, UserError):
        raise UserError(
            f"{path} is lost and {folder / FINISHED} has no copy of it: {anew}."
        ) from None
    if sha256_bytes(copy) != _recorded(folder, name):
        raise UserError(
            f"{path} is lost and its copy in {folder / FINISHED} is of another training: {anew}."
        )
    write_bytes(path, copy)
    return copy


def read_kept(folder: Path, name: str) -> bytes:
    """Return a file that train.json describes, as training left it; a lost one is restored.

    Args:
        folder: Folder of a trained cell.
        name: spec.json, or one of `KEPT`.

    Raises:
        UserError: It is not what train.json describes, or is lost without a copy.
    """
    path = folder / name
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        if name not in KEPT:
            raise UserError(f"{path} is missing; run snakemake again.") from None
        return restore(folder, name)
    if sha256_bytes(data) != _recorded(folder, name):
        raise UserError(
            f"{path} is not what it was when the cell was trained (its SHA-256 is not that in "
            f"{folder / RECORD}): remove it and run snakemake again, which brings it back."
        )
    return data


def _recorded(folder: Path, name: str) -> str | None:
    files: Mapping[str, str] = (read_train(folder) or {}).get("files", {})
    return files.get(name)
