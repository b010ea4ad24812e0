"""What a cell's folder tells while its jobs run: read by an observer that locks and writes nothing.

A running job's files may end in half a line, which is left out. A file is read again only when its
size or time has changed, and then only its beginning and its end.
"""

from __future__ import annotations

import json
import math
import os
import platform
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from transfergrid.planning.paths import RESULTS, cell_directory
from transfergrid.planning.records import FINISHED
from transfergrid.runtime.live import FILE

HEAD, TAIL = 2**16, 2**12
"""Bytes read from a file's beginning and end; between them there are only past steps."""
SILENT = 120.0
"""Seconds after which a silent job on another host is taken to be dead."""
LATER = 5.0
"""Seconds after a job's last word in which its log is still its own."""
ROUND = 30.0
"""Seconds within which every cell at rest is looked at once more."""

STEP = ("step", "steps", "loss", "images_per_second", "seconds_left")
REST = ("finished", "diverged")
STATES = (*REST, "failed", "running", "stopped", "trained", "missing")
"""``stopped``: ended by a signal, resumed later; ``trained``: waits to be scored, or for its own
job to publish what another cell's job has trained ahead."""


@dataclass(frozen=True)
class Told:
    """What progress.jsonl says about a cell's latest job.

    Attributes:
        stage: "train" or "evaluate".
        pid: Its process.
        host: The machine on which that process runs.
        began: When it began, in Unix seconds.
        time: When it last said something, in Unix seconds.
        device: Name of its device, once it has one.
        waiting: A sentence on what it is waiting for, if anything.
        step: Steps done.
        steps: Steps in all.
        loss: Latest training loss.
        images_per_second: Latest speed.
        seconds_left: Its own estimate.
        ended: "finished", "diverged", "failed", "stopped", or None while it runs or was killed.
        by: The cell in whose job it runs, if it is another's.
    """

    stage: str
    pid: int
    host: str
    began: float
    time: float
    device: str | None = None
    waiting: str | None = None
    step: int | None = None
    steps: int | None = None
    loss: float | None = None
    images_per_second: float | None = None
    seconds_left: float | None = None
    ended: str | None = None
    by: str | None = None


@dataclass(frozen=True)
class CellLive:
    """Where a cell stands.

    Attributes:
        cell: Its name.
        state: One of `STATES`.
        told: Its latest job, if that left a report.
        score: Metric and score of a running cell's latest validation.
        reason: The last line of the log, of a failed cell.
    """

    cell: str
    state: str
    told: Told | None = None
    score: tuple[str, float] | None = None
    reason: str = ""


def read_told(path: Path) -> Told | None:
    """Return what a progress.jsonl says, or None if there is none to read."""
    told: Told | None = None
    for event in _events(path):
        kind, at = event.get("event"), _number(event.get("time")) or 0.0
        if kind == "start":
            pid = int(_number(event.get("pid")) or 0)
            by = event.get("by")
            told = Told(str(event.get("stage")), pid, str(event.get("host")), at, at)
            told = replace(told, by=str(by) if by else None)
        elif told is not None:
            told = replace(told, time=at, **_change(str(kind), event))
    return told


def _change(kind: str, event: Mapping[str, Any]) -> dict[str, Any]:
    if kind == "waiting":
        message = str(event.get("message") or "")
        return {"waiting": message if message.startswith("waiting") else f"waiting: {message}"}
    if kind == "device":
        return {"waiting": None, "device": str(event.get("device"))}
    if kind == "end":
        return {"waiting": None, "ended": str(event.get("status"))}
    if kind != "step":
        return {}
    values = {name: _number(event.get(name)) for name in STEP}
    # Right after a validation there is no new loss yet.
    return {"waiting": None, **{name: v for name, v in values.items() if v is not None}}


def _number(value: Any) -> Any:
    return value if isinstance(value, int | float) else None


def _events(path: Path) -> list[dict[str, Any]]:
    found = []
    for line in _ends(path):
        try:
            event = json.loads(line)
        except ValueError:  # half a line, or one whose middle was not read
            continue
        if isinstance(event, dict):
            found.append(event)
    return found


def _ends(path: Path) -> list[bytes]:
    """Return the complete lines of a file's first `HEAD` and last `TAIL` bytes.

    The beginning only matters for what is not repeated: the step is found at the end.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD)
            size = os.fstat(file.fileno()).st_size
            if size <= len(head):
                return head.split(b"\n")
            file.seek(max(len(head), size - TAIL))
            tail = file.read()
    except OSError:
        return []
    early = [line for line in head.split(b"\n") if b'"step"' not in line]
    return early + tail.split(b"\n")


def last_lines(path: Path, size: int = TAIL) -> list[str]:
    """Return the non-blank lines in a log's last `size` bytes, without colours.

    A carriage return ends a line too: progress bars write them.
    """
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - size))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    lines = (_plain(line) for line in text.replace("\r", "\n").split("\n"))
    return [line for line in lines if line]


def _plain(line: str) -> str:
    parts = line.split("\x1b[")
    colourless = [part.lstrip("0123456789;?")[1:] for part in parts[1:]]
    return "".join(c for c in parts[0] + "".join(colourless) if c.isprintable()).strip()


def error_line(path: Path) -> str:
    """Return the last line of a log if it is an error's, else an empty string."""
    lines = last_lines(path)
    if not lines:
        return ""
    word = lines[-1].partition(":")[0].rpartition(".")[2]
    named = word == "error" or (word.endswith(("Error", "Exception")) and " " not in word)
    # The text of an exception may span several lines.
    return lines[-1] if named or any(line.startswith("Traceback (") for line in lines) else ""


def last_score(history: Path) -> tuple[str, float] | None:
    """Return metric and validation score of the last whole line of history.jsonl."""
    for line in reversed(last_lines(history, 4 * TAIL)):
        try:
            found = json.loads(line)
            score = _number(found.get("valid_score"))
            return None if score is None else (str(found.get("metric")), score)
        except (ValueError, AttributeError):
            continue
    return None


def is_alive(told: Told, now: float) -> bool:
    """Tell whether a job that has not said that it ended is still at work."""
    if told.ended is not None:
        return False
    if told.host != platform.node() or told.pid <= 0:
        return now - told.time < SILENT
    try:
        os.kill(told.pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # another user's process counts too
    begun = _process_start(told.pid)
    return begun is None or begun < told.began + 2


def _process_start(pid: int) -> float | None:
    """Return when a process began, in Unix seconds; None if the system does not tell.

    After the machine restarts, other processes get the numbers of dead jobs; a dead process that
    nobody has waited for keeps its number, and is given a start that fits no job.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        if fields[0] == "Z":
            return math.inf
        boot = Path("/proc/stat").read_text().partition("\nbtime ")[2].split("\n")[0]
        return int(boot) + int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None


Signature = tuple[tuple[int, int] | None, ...]


class Cells:
    """The cells of a run, looked at again and again.

    Args:
        names: Names of the cells.
        results: Root of all outputs.
        trials: Those that try a learning rate: they end with their training.
    """

    def __init__(
        self, names: Iterable[str], results: Path = RESULTS, trials: Iterable[str] = ()
    ) -> None:
        self._trials = frozenset(trials)
        self._folders = {name: cell_directory(name, results) for name in dict.fromkeys(names)}
        self._known = {name: CellLive(name, "missing") for name in self._folders}
        self._names = list(self._folders)
        self._signatures: dict[str, Signature] = {}
        self._turn = 0
        self._looked = 0.0

    def look(self, now: float | None = None) -> Mapping[str, CellLive]:
        """Return where every cell stands; `now` is in Unix seconds."""
        now = time.time() if now is None else now
        turn = self._whose_turn(now)
        for name, cell in self._known.items():
            if cell.state not in REST or name in turn:
                self._known[name] = self._look_at(name, cell, now)
        return self._known

    def _whose_turn(self, now: float) -> set[str]:
        """Return cells to look at even though at rest: a forced job can wake any of them."""
        share = min(max(now - self._looked, 0.0) / ROUND, 1.0)
        names, first, self._looked = self._names, self._turn, now
        self._turn += math.ceil(share * len(names))
        return {names[i % len(names)] for i in range(first, self._turn)}

    def _look_at(self, name: str, known: CellLive, now: float) -> CellLive:
        folder = self._folders[name]
        signature = tuple(_stat(f"{folder}/{part}") for part in WATCHED)
        if signature == self._signatures.get(name):
            running = known.told if known.state == "running" else None
            if running is None or is_alive(running, now):
                return known
        self._signatures[name] = signature
        return _cell_live(name, folder, signature, now, name in self._trials)


LOGS = ("logs/train.log", "logs/evaluate.log")
WATCHED = (
    str(FILE),
    "receipts/evaluate.json",
    "train.json",
    *LOGS,
    "history.jsonl",
)


def _stat(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _cell_live(name: str, folder: Path, signature: Signature, now: float, trial: bool) -> CellLive:
    """Read where a cell stands; a job at work takes precedence over what earlier ones left."""
    progress, scored, trained, *logs = signature
    told = read_told(folder / FILE) if progress else None
    if told is not None and is_alive(told, now):
        return CellLive(name, "running", told, last_score(folder / "history.jsonl"))
    if trained if trial else scored:
        status = _status(folder / ("train.json" if trial else "receipts/evaluate.json"))
        return CellLive(name, "diverged" if status == "diverged" else "finished", told)
    reason = _failure(folder, told, dict(zip(LOGS, logs, strict=False)))
    if reason:
        return CellLive(name, "failed", told, reason=reason)
    ahead = told is not None and told.by and told.ended in REST
    if trained or (ahead and (folder / FINISHED).exists()):
        return CellLive(name, "trained", told)
    killed = told is not None and told.ended in (None, "stopped")
    return CellLive(name, "stopped" if killed else "missing", told)


def _status(path: Path) -> str:
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["status"])
    except (OSError, ValueError, KeyError):
        return "finished"


def _failure(folder: Path, told: Told | None, logs: Mapping[str, tuple[int, int] | None]) -> str:
    """Return why the latest job failed, or an empty string."""
    if told is not None and told.ended == "failed":
        path = folder / LOGS[told.stage == "evaluate"]
        return error_line(path) or next(reversed(last_lines(path)), "no reason was logged")
    # A job that stops in its first checks may not have begun its own progress.jsonl.
    written = [(status[0] / 1e9, name) for name, status in logs.items() if status]
    latest, name = max(written, default=(0.0, ""))
    own = told is not None and told.ended is not None and latest < told.time + LATER
    return error_line(folder / name) if name and not own else ""
