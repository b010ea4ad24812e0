"""What lies in the cells' folders, read as it is; what is not there is empty."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transfergrid.planning.cards import as_seen_by
from transfergrid.planning.paths import cache_directory, cell_directory, tuning_file
from transfergrid.planning.records import read_kept, read_train
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import sha256_bytes
from transfergrid.runtime.sealed import read_sealed

TAIL = 4096
"""Bytes read of a log's end."""


@dataclass(frozen=True)
class CellRecord:
    """What lies in a cell's folder; a file that is not there is empty.

    Attributes:
        spec: spec.json.
        train: train.json.
        proof: proof.json.
        history: Lines of history.jsonl.
        log: The last line of the log of the last stage that it reached.
        tuning: tuning.json of its learning rate.
        trials: train.json of each of its learning-rate trials by the trial's cell.
    """

    spec: Mapping[str, Any] = field(default_factory=dict)
    train: Mapping[str, Any] = field(default_factory=dict)
    proof: Mapping[str, Any] = field(default_factory=dict)
    history: Sequence[Mapping[str, Any]] = ()
    log: str = ""
    tuning: Mapping[str, Any] = field(default_factory=dict)
    trials: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def json_if_there(path: Path) -> dict[str, Any] | None:
    """Return a JSON file's mapping, or None where there is no file.

    Raises:
        UserError: The file is not JSON.
    """
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except json.JSONDecodeError as error:
        raise UserError(f"{path} is not valid JSON ({error}); remove it and run again.") from None
    return value


def read_record(cell: str, results: Path) -> CellRecord:
    """Read a cell's folder, and what its learning-rate trials left.

    Args:
        cell: Its name.
        results: Root of all outputs.
    """
    folder = cell_directory(cell, results)
    train = read_train(folder) or {}
    spec = _kept_json(folder, "spec.json", train)
    tuning = spec.get("tuning") or {}
    trials = {
        trial: read_train(cell_directory(trial, results)) or {}
        for trial in tuning.get("trials", {}).values()
    }
    return CellRecord(
        spec=spec,
        train=train,
        proof=_kept_json(folder, "proof.json", train),
        history=_history(folder, train),
        log=last_line(folder / "logs" / "evaluate.log") or last_line(folder / "logs" / "train.log"),
        tuning=read_tuning(tuning["id"], results) if tuning else {},
        trials=trials,
    )


def read_tuning(tuning_id: str, results: Path) -> dict[str, Any]:
    """Return what trials found; empty where they have not ended.

    Raises:
        UserError: The file is not what was written.
    """
    try:
        return read_sealed(tuning_file(tuning_id, results))
    except FileNotFoundError:
        return {}


def _kept_json(folder: Path, name: str, train: Mapping[str, Any]) -> dict[str, Any]:
    """Return a file of a cell as training left it; of a cell that is not trained, as it is."""
    if not train:
        return json_if_there(folder / name) or {}
    value: dict[str, Any] = json.loads(_kept(folder, name, train))
    return value


def _kept(folder: Path, name: str, train: Mapping[str, Any]) -> bytes:
    """Return a file as training left it, which train.json, once read, tells of."""
    try:
        data = (folder / name).read_bytes()
    except FileNotFoundError:
        return read_kept(folder, name)
    if sha256_bytes(data) == train.get("files", {}).get(name):
        return data
    return read_kept(folder, name)  # says what is wrong


def last_line(path: Path) -> str:
    """Return the last line of a log that is not empty; an empty string without one."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def read_history(cell: str, results: Path) -> tuple[dict[str, Any], ...]:
    """Return the lines of a cell's history.jsonl; of a cell that was never trained, none.

    Raises:
        UserError: It is not what training left, or a line other than the last is not JSON.
    """
    folder = cell_directory(cell, results)
    return _history(folder, read_train(folder) or {})


def _history(folder: Path, train: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    path = folder / "history.jsonl"
    if not train and not path.exists():
        return ()
    text = _kept(folder, path.name, train) if train else path.read_bytes()
    lines = text.decode("utf-8").splitlines()
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            # A training that runs at this moment may be in the middle of its last line.
            if number < len(lines):
                raise UserError(
                    f"{path}: line {number} is not JSON; train the cell again."
                ) from None
    return tuple(found)


def read_card(entry: Mapping[str, Any], results: Path) -> dict[str, Any] | None:
    """Return the card of the data that a cell was trained on, or None where there is none yet.

    Args:
        entry: The cell in the study's JSON.
        results: Root of all outputs.
    """
    # The cell keeps its own copy, because a cache may be deleted.
    folder = cell_directory(entry["cell"], results)
    own = _kept_json(folder, "card.json", read_train(folder) or {})
    card = own or json_if_there(cache_directory(entry["dataset_id"], results) / "card.json")
    return as_seen_by(card, entry.get("fold")) if card and not own else card


def read_cards(study: Mapping[str, Any], results: Path) -> dict[str, dict[str, Any]]:
    """Return each dataset's card by the dataset's name, where any of its cells has one."""
    cards: dict[str, dict[str, Any]] = {}
    for entry in study["cells"]:
        if entry["dataset"] not in cards:
            card = read_card(entry, results)
            if card is not None:
                cards[entry["dataset"]] = card
    return cards


def read_contents(study: Mapping[str, Any], results: Path) -> dict[str, dict[str, int]]:
    """Return for each dataset how many cells were trained on each content of it.

    Args:
        study: The study's JSON.
        results: Root of all outputs.

    Returns:
        By dataset, by content_sha256 in the order of the cells.
    """
    found: dict[str, dict[str, int]] = {}
    for entry in study["cells"]:
        card = json_if_there(cell_directory(entry["cell"], results) / "card.json")
        if card is not None:
            contents = found.setdefault(entry["dataset"], {})
            contents[card["content_sha256"]] = contents.get(card["content_sha256"], 0) + 1
    return found
