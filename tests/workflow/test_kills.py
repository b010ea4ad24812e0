"""Runs that are killed, starved or doubled end as if nothing had happened."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.workflow.conftest import Workspace

from transfergrid.runtime.hashing import sha256_file
from transfergrid.runtime.sealed import read_sealed

pytestmark = pytest.mark.slow
PROGRAMS = r"scripts/(\w+)\.py"
TIMES = ("train_seconds", "images_per_second", "peak_memory_mb", "seconds")
TIMED = ("report.html", "index.html", "costs.csv", "train.json")
"""Files that hold times."""
MANY = 30
KILLS_A_JOB = 4
SURE = {"prepare", "train", "evaluate", "ensembles", "analyse"}  # each dies at least once


def results_of(workspace: Workspace) -> dict[str, Any]:
    """Return the content of every result, times, logs and the page aside."""
    root = workspace.folder / "results"
    found: dict[str, Any] = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if not path.is_file() or "logs/" in name or path.name.endswith((".lock", "finished.json")):
            continue
        if name.startswith("cache/.") or path.name in TIMED:
            found[name] = "there"
        elif path.suffix == ".jsonl":
            lines = [json.loads(line) for line in path.read_text().splitlines()]
            found[name] = [{k: v for k, v in line.items() if k not in TIMES} for line in lines]
        elif path.name == "cells.csv":
            found[name] = pd.read_csv(path).drop(columns=[*TIMES[:3]]).to_csv()
        elif path.parent.name == "receipts" and not name.startswith("cells/"):
            # Tables and the page hold times: a receipt has to be true of this run's.
            study = path.parents[1]
            files = read_sealed(path)["files"]
            found[name] = {file: sha256_file(study / file) == said for file, said in files.items()}
        else:
            found[name] = path.read_bytes()
    return found


def programs() -> Iterator[tuple[int, str, str]]:
    """Yield (process id, program, all words) of every running program of a rule, of any run."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            match = re.search(PROGRAMS, words[1]) if len(words) > 2 else None
            if match and "python" in words[0]:
                yield int(folder.name), match[1], " ".join(words)


class Reaper(threading.Thread):
    """Ends programs of one folder's runs at random moments, some politely, most not."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        super().__init__(daemon=True)
        self.folder, self.rng = folder, rng
        self.due: dict[int, float] = {}
        self.kills: Counter[tuple[str, str]] = Counter()
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.wait(0.02):
            for pid, program, words in programs():
                self._consider(pid, program, words)

    def _patience(self, program: str) -> float:
        """Return how many seconds a program may live: few for one that never died, lest none does.

        Some programs are at work for less than a second, on some machines too short for chance.
        """
        spared = program in SURE and not any(name == program for name, _ in self.kills)
        return self.rng.uniform(0, 0.1) if spared else self.rng.expovariate(1 / 0.8)

    def _consider(self, pid: int, program: str, words: str) -> None:
        try:
            here = os.readlink(f"/proc/{pid}/cwd") == str(self.folder)
            if not here or self.kills[program, words] >= KILLS_A_JOB:
                return
            now = time.monotonic()
            if now < self.due.setdefault(pid, now + self._patience(program)):
                return
            polite = program == "train" and self.rng.random() < 0.3
            os.kill(pid, signal.SIGTERM if polite else signal.SIGKILL)
        except OSError:
            return
        self.due[pid] = float("inf")
        self.kills[program, words] += 1


def test_thirty_kills_change_no_bit(finished: Workspace, workspace: Workspace) -> None:
    rng = random.Random(20260)
    workspace.write()
    reaper = Reaper(workspace.folder, rng)
    reaper.start()
    whole = 0
    for _ in range(4):  # the run itself dies, with its jobs or leaving them behind
        run = workspace.start("--retries", "99")
        try:
            run.communicate(timeout=rng.uniform(5, 14))
            break
        except subprocess.TimeoutExpired:
            if whole % 2:
                run.kill()
            else:
                os.killpg(run.pid, signal.SIGKILL)
            whole += 1
        run.communicate()
        unlocked = workspace.snakemake("--unlock")
        assert unlocked.status == 0, unlocked.text
    # Programs that are started: a fork goes by the name of what it is a fork of.
    outcome = workspace.snakemake("--retries", "99", forks=False)
    reaper.done.set()
    reaper.join()
    assert outcome.status == 0, outcome.text[-6000:]
    assert reaper.kills.total() + whole >= MANY, f"too few kills: {reaper.kills}, {whole} runs"
    assert {program for program, _ in reaper.kills} >= SURE
    assert "Nothing to be done" in workspace.snakemake("-n").text
    expected, found = results_of(finished), results_of(workspace)
    leftovers = [name for name in found if "/.tmp-" in f"/{name}"]
    for name in leftovers:
        found.pop(name)
    assert found.keys() == expected.keys()
    assert [name for name in found if found[name] != expected[name]] == []


@pytest.fixture()
def small_disk(workspace: Workspace) -> Iterator[Path]:
    """Put results/ on a file system of its own."""
    results = workspace.folder / "results"
    results.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", results], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"a file system cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield results
    subprocess.run(["umount", "--lazy", results], check=True)


def test_a_full_disk_is_told_and_loses_nothing(
    finished: Workspace, workspace: Workspace, small_disk: Path
) -> None:
    workspace.write()
    failures = 0
    for kib in (256, 700, 2_000, 5_000, 9_000, 200_000):
        remount = ["mount", "-o", f"remount,size={kib}k", str(small_disk)]
        subprocess.run(remount, check=True)
        outcome = workspace.snakemake()
        if outcome.status == 0:
            break
        failures += 1
        assert "no space left" in outcome.text.lower(), outcome.text[-3000:]
        assert "Traceback" not in outcome.text, outcome.text[-3000:]
    assert failures >= 3
    assert outcome.status == 0, outcome.text[-3000:]
    expected, found = results_of(finished), results_of(workspace)
    assert found.keys() == expected.keys()
    assert [name for name in found if found[name] != expected[name]] == []


def wait_for(path_of: Any, seconds: float = 300) -> Path:
    """Wait until a function returns a path that exists."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for path in path_of():
            return Path(path)
        time.sleep(0.05)
    raise AssertionError("it did not come")


def test_a_second_run_on_the_same_files_stops(workspace: Workspace) -> None:
    only = {"grid": [{"datasets": ["films"], "architectures": ["lcnet_050"]}]}
    only["grid"][0] |= {"pretrainings": ["random"]}
    workspace.write({**only, "recipe": {"epochs": 12}, "questions": []})
    first = workspace.start()
    reports = "results/cells/*/logs/progress.jsonl"
    live = wait_for(lambda: (p for p in workspace.folder.glob(reports) if p.read_text()))
    trainer = json.loads(live.read_text().splitlines()[0])["pid"]
    os.kill(trainer, signal.SIGSTOP)  # lest it ends before the others have looked
    try:
        second = workspace.snakemake()
        assert second.status != 0
        assert "cannot be locked" in second.text
        target = str((live.parent.parent / "train.json").relative_to(workspace.folder))
        third = workspace.snakemake("--nolock", target)
        assert third.status != 0
        assert "is being trained by another process; wait for it" in third.text
        assert first.poll() is None
    finally:
        os.kill(trainer, signal.SIGCONT)
    assert first.wait(timeout=800) == 0, first.communicate()[0][-3000:]
    assert "Nothing to be done" in workspace.snakemake("-n").text
