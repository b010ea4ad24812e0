"""Two runs of Snakemake on one machine of four GPUs, their jobs killed at random moments."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from unit.runtime import fake_gpus
from unit.runtime.fake_gpus import uuid

from transfergrid.planning.paths import PROJECT

pytestmark = pytest.mark.slow

GPUS = {uuid(number) for number in range(4)}
RUNS = {"a": [0, 1, 2, 3], "b": [2, 3, 0, 1]}
"""By run, the order in which it sees the GPUs: what is 0 to one is 2 to the other."""
JOBS = 14
VICTIMS = {"a": {1, 3, 4, 9}, "b": {0, 2, 5, 9}}
"""Jobs that hold their GPU until they are killed."""

JOB = """
import os, subprocess, sys, time
from transfergrid.runtime.leases import take_gpu

record, name, hold = sys.argv[1:4]
sheet = os.open(record, os.O_WRONLY | os.O_APPEND)

def write(event):
    line = f"{event} {name} {os.getpid()} {lease.uuid} {time.monotonic()}"
    os.write(sheet, (line + chr(10)).encode())

lease = take_gpu(1, lambda line: print(line, file=sys.stderr))
assert os.environ["CUDA_VISIBLE_DEVICES"] == lease.uuid
write("enter")
if hold == "killed":
    # What a killed job leaves behind does not keep its GPU.
    null = subprocess.DEVNULL
    subprocess.Popen(["sleep", "1000"], close_fds=False, stdout=null, stderr=null)
    if os.fork() == 0:
        os.closerange(0, 3)
        time.sleep(1000)
    time.sleep(1000)
time.sleep(float(hold))
write("leave")
"""

SNAKEFILE = """
rule all:
    input:
        expand("done/{number}", number=range(config["jobs"])),

rule job:
    output:
        "done/{number}",
    params:
        hold=lambda wildcards: (
            "killed" if int(wildcards.number) in config["victims"]
            else 0.05 + int(wildcards.number) * 7 % 5 / 10
        ),
    shell:
        "{config[python]} {config[program]} {config[record]} {config[name]}{wildcards.number}"
        " {params.hold} && touch {output}"
"""


@dataclass(frozen=True)
class Event:
    """A job entered or left a GPU; `when` is in seconds of the clock that all processes share."""

    what: str
    job: str
    pid: int
    gpu: str
    when: float


def read(record: Path) -> list[Event]:
    rows = [line.split() for line in record.read_text().splitlines()]
    return [Event(row[0], row[1], int(row[2]), row[3], float(row[4])) for row in rows]


@pytest.fixture
def machine(tmp_path: Path):
    """Start processes that see the four GPUs, in an order of their own; all end with the test."""
    (tmp_path / "job.py").write_text(JOB)
    (tmp_path / "record").touch()
    children: list[subprocess.Popen[bytes]] = []

    def start(order: Iterable[int], *command: str) -> subprocess.Popen[bytes]:
        order = list(order)
        programs = fake_gpus.install(tmp_path / "".join(map(str, order)), order)
        environment = {
            **os.environ,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(PROJECT / "src"),
            "TRANSFERGRID_GPU_LOCKS": str(tmp_path / "locks"),
        }
        for name in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID"):
            environment.pop(name, None)
        log = open(tmp_path / f"{len(children)}.log", "wb")  # noqa: SIM115 - the child's
        child = subprocess.Popen(command, env=environment, stdout=log, stderr=log, process_group=0)
        log.close()
        children.append(child)
        return child

    yield start
    for child in children:
        child.kill()
        child.wait()
    for event in read(tmp_path / "record"):
        # The job's shell and what the job left behind are in Snakemake's process group.
        if event.what == "enter" and Path(f"/proc/{event.pid}").exists():
            os.kill(event.pid, signal.SIGKILL)
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)


def snakemake(start: Callable[..., subprocess.Popen[bytes]], folder: Path, name: str):
    """Start one of the two runs, in a directory of its own."""
    (folder / name).mkdir()
    (folder / "Snakefile").write_text(SNAKEFILE)
    config = {
        "jobs": JOBS,
        "victims": sorted(VICTIMS[name]),
        "python": sys.executable,
        "program": str(folder / "job.py"),
        "record": str(folder / "record"),
        "name": name,
    }
    (folder / name / "config.json").write_text(json.dumps(config))
    command = [sys.executable, "-m", "snakemake", "--snakefile", folder / "Snakefile"]
    command += ["--directory", folder / name, "--cores", "4", "--keep-going"]
    command += ["--configfile", folder / name / "config.json"]
    return start(RUNS[name], *(str(word) for word in command))


def kill_victims(record: Path, runs: Iterable[subprocess.Popen[bytes]]) -> dict[int, float]:
    """Kill each victim a random while after it got its GPU, until both runs have ended.

    Returns:
        When each was killed, by its process.
    """
    victims = {f"{run}{number}" for run, numbers in VICTIMS.items() for number in numbers}
    chance = random.Random(0)
    due: dict[int, float] = {}
    killed: dict[int, float] = {}
    deadline = time.monotonic() + 600
    while any(run.poll() is None for run in runs):
        now = time.monotonic()
        assert now < deadline, "the runs do not end"
        for event in read(record):
            if event.job in victims:
                due.setdefault(event.pid, event.when + chance.uniform(0, 0.5))
        for pid, when in due.items():
            if pid not in killed and now >= when:
                killed[pid] = time.monotonic()
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
    return killed


def check_never_two(events: list[Event], killed: Mapping[int, float]) -> None:
    for gpu in GPUS:
        mine = sorted((event for event in events if event.gpu == gpu), key=lambda event: event.when)
        holder: Event | None = None
        for event in mine:
            if event.what == "enter":
                if holder is not None:
                    assert killed.get(holder.pid, float("inf")) <= event.when, (holder, event)
                holder = event
            else:
                assert holder is not None and holder.pid == event.pid
                holder = None


def test_two_runs_share_four_gpus_while_jobs_are_killed(tmp_path: Path, machine) -> None:
    runs = {name: snakemake(machine, tmp_path, name) for name in RUNS}
    killed = kill_victims(tmp_path / "record", runs.values())

    events = read(tmp_path / "record")
    check_never_two(events, killed)
    assert {event.gpu for event in events} == GPUS
    assert len(killed) == sum(len(numbers) for numbers in VICTIMS.values())
    for name in RUNS:
        done = {int(path.name) for path in (tmp_path / name / "done").iterdir()}
        assert done == set(range(JOBS)) - VICTIMS[name]

    # No GPU was lost: four jobs hold all four at once.
    for number in range(4):
        machine(
            RUNS["ab"[number % 2]],
            sys.executable,
            str(tmp_path / "job.py"),
            str(tmp_path / "record"),
            f"last{number}",
            "killed",
        )
    deadline = time.monotonic() + 300
    while len(last := read(tmp_path / "record")[len(events) :]) < 4:
        assert time.monotonic() < deadline, f"only {len(last)} of 4 GPUs can be leased"
        time.sleep(0.05)
    assert {event.gpu for event in last} == GPUS
