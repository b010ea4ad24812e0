"""Cells that a job goes on to train once its own is done, for their own jobs to take over.

A short training costs less than starting Python, torch and timm, which a process that has trained a
cell has at hand. It leaves what training leaves in a cell's folder but for what Snakemake knows:
train.json and the receipt, which the cell's own job publishes from finished.json. Nothing relies on
it: a cell that was not trained ahead, or not to its end, is trained by its own job.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from transfergrid.planning.cards import cells_card
from transfergrid.planning.metrics import functions_of, split_ours
from transfergrid.planning.naming import fold_of
from transfergrid.planning.neighbours import has_needs
from transfergrid.planning.paths import cache_directory, cell_directory
from transfergrid.planning.records import (
    AHEAD_LOCK,
    FINISHED,
    LOCK,
    RECORD,
    SPEC,
    read_spec,
)
from transfergrid.runtime.atomic import write_bytes
from transfergrid.runtime.errors import Stopped, UserError
from transfergrid.runtime.hashing import sha256_file
from transfergrid.runtime.live import FILE, Live
from transfergrid.runtime.locks import if_free
from transfergrid.runtime.sealed import read_sealed
from transfergrid.runtime.watcher import Watcher

SHORT = 30.0
"""Seconds that a cell may take for another to follow: starting is a small part of longer ones."""
BEGIN = 120.0
"""Seconds after its own cell in which a process begins another.

Dozens of short cells, beside which one start no longer counts; and what waits for the job's own
cell, whose outputs are ready but not yet announced, waits no longer than that.
"""
MOST = 1000
"""Cells that are looked at: a look at a shared file system takes a millisecond or more."""
END = 180.0
"""Seconds after its own cell at which a process stops whatever it trains, and saves its state."""


@dataclass(frozen=True)
class Worker:
    """A process that has trained its own cell.

    Attributes:
        cell: Its own cell.
        spec: That cell's specification.
        results: The folder of all outputs.
        device: "cpu" or "cuda".
        event: What it tells about its device.
        threads: Threads of the CPU's kernels.
        scoring: Fingerprint of evaluation's code.
        environment: Returns what train.json says about what ran a training, given the cell's spec.
        hold: Compares and holds the code that a cell's specification names; may raise UserError.
        stop: Tells whether the process was asked to end.
        clock: Returns seconds that only rise.
    """

    cell: str
    spec: Mapping[str, Any]
    results: Path
    device: str
    event: Mapping[str, Any]
    threads: int
    scoring: str
    environment: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    hold: Callable[[Mapping[str, Any]], None]
    stop: Callable[[], bool]
    clock: Callable[[], float] = time.monotonic


def go_on(
    worker: Worker, cells: Iterable[str], took: float, say: Callable[[str], None]
) -> list[str]:
    """Train some of the given cells ahead, as long as it is worth it and no one asks to end.

    Args:
        worker: This process.
        cells: Names of planned cells, in the order in which they are tried.
        took: Seconds that its own cell took.
        say: Gets a sentence on each cell that is begun.

    Returns:
        The cells that have been trained.
    """
    done: list[str] = []
    began = worker.clock()
    for cell in islice(cells, MOST):
        now = worker.clock()
        if took > SHORT or now - began >= BEGIN or worker.stop():
            break
        try:
            with _taken(cell, worker) as spec:
                if spec is None:
                    continue
                say(f"going on with {cell}, which is planned and not trained")
                _train(cell, spec, worker, lambda: worker.clock() - began >= END)
        except Exception as error:  # its own job will meet it, and report it
            say(f"{cell} is left to its own job: {error or 'stopped'}")
            break
        done.append(cell)
        took = worker.clock() - now
    return done


@contextmanager
def _taken(cell: str, worker: Worker) -> Iterator[Mapping[str, Any] | None]:
    """Yield the specification of a cell that is held from now on, or None if it is not for us."""
    folder = cell_directory(cell, worker.results)
    if not _is_new(folder):
        yield None
        return
    # In this order: a job that finds the second lock held looks at the first, and waits.
    with if_free(folder / AHEAD_LOCK) as first:
        if not first:
            yield None
            return
        with if_free(folder / LOCK) as second:
            mine = second and _is_new(folder)  # it may have been begun since
            spec = _fitting(folder, worker) if mine else None
            if spec is None:  # its own job removes that of one that was trained
                (folder / AHEAD_LOCK).unlink(missing_ok=True)
            yield spec


def _is_new(folder: Path) -> bool:
    """Tell whether a cell is specified and no job has begun it: one that failed would again."""
    try:
        # NFS asks its server anew where a folder is opened, not where a file of it is looked for.
        names = set(os.listdir(folder))
    except OSError:
        return False
    return SPEC in names and not names & {RECORD, FINISHED} and not (folder / FILE).exists()


def _fitting(folder: Path, worker: Worker) -> Mapping[str, Any] | None:
    """Return a cell's specification if this process can do just what the cell's own job would."""
    try:
        spec = read_spec(folder / SPEC)
        # Weights are there, whatever code has made them.
        code = {**worker.spec["code"], "weights": spec["code"]["weights"]}
        same = all(code.get(part, own) == own for part, own in spec["code"].items())
        # cuBLAS asks once in a process whether it is to be deterministic.
        same &= spec["recipe"]["deterministic"] == worker.spec["recipe"]["deterministic"]
        if not same or runs_plugin(spec) or not has_needs(spec, worker.results):
            return None
        worker.hold(spec)
    except (OSError, UserError, KeyError, TypeError):
        return None
    return spec


def runs_plugin(spec: Mapping[str, Any]) -> bool:
    """Tell whether training a cell runs a user's own code.

    Such code may keep what an earlier call left, or change torch's settings, so its cells have a
    process each.
    """
    _, others = split_ours(functions_of(spec["metric"]))
    return bool(others or spec["architecture"].get("code"))


def _train(cell: str, spec: Mapping[str, Any], worker: Worker, over: Callable[[], bool]) -> None:
    """Train a cell and score it, under its own account; publish nothing."""
    import torch

    from transfergrid.evaluation.ahead import score_ahead
    from transfergrid.training.loop import train
    from transfergrid.training.receipts import forget_peak

    folder = cell_directory(cell, worker.results)
    written = sha256_file(folder / SPEC)
    if not forget_peak(torch.device(worker.device)):
        raise Stopped("this system does not tell a cell's memory from that of the one before")
    live = Live(folder, "train", by=worker.cell)
    with live.account() as end:
        end["status"] = "stopped"  # unless it comes to an end, it is continued
        live.report(worker.event)
        watcher = Watcher(live.report, lambda: worker.stop() or over())
        card = cache_directory(spec["dataset"]["id"], worker.results) / "card.json"
        write_bytes(folder / "card.json", cells_card(card.read_bytes(), fold_of(spec)))
        record = train(
            spec,
            worker.results,
            worker.device,
            worker.threads,
            worker.environment(spec),
            watcher,
            fresh=True,
            publish=False,
        )
        if record["files"].get(SPEC) != written:  # a rule's file is removed before it is made again
            (folder / FINISHED).unlink()
            raise Stopped("its specification was made again meanwhile")
        live.report({"event": "note", "message": f"{record['status']}: {cell}"})
        if record["status"] == "finished" and spec["recipe"]["keep_checkpoints"]:
            live.start("evaluate")
            receipt = read_sealed(folder / FINISHED)["receipt"]
            settings = (worker.device, watcher, worker.scoring, worker.threads)
            score_ahead(spec, worker.results, *settings, receipt)
        end["status"] = str(record["status"])
