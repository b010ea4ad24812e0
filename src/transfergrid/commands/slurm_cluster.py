"""What a Slurm cluster says of itself: partitions, how jobs are watched."""

from __future__ import annotations

import math
import re
import subprocess
from dataclasses import dataclass

from transfergrid.runtime.errors import UserError

SECONDS = 30.0
"""A busy controller may take as long to answer."""


@dataclass(frozen=True)
class Partition:
    """A partition of the cluster.

    Attributes:
        name: Its name.
        default: Whether jobs that name none go there.
        up: Whether it takes jobs.
        minutes: The longest time that a job may ask for; infinite without a limit.
        node_mb: Memory of its largest node, in MB.
        gpus: The models of its GPUs; an empty name where the cluster does not tell.
    """

    name: str
    default: bool
    up: bool
    minutes: float
    node_mb: float
    gpus: frozenset[str] = frozenset()


def ask_slurm(*words: str) -> str:
    """Return what one of Slurm's commands prints.

    Raises:
        UserError: It is missing, fails, or gives no answer.
    """
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS)
    except FileNotFoundError:
        raise UserError(
            f"this machine has no {words[0]}; run doctor --slurm where you would run snakemake."
        ) from None
    except subprocess.TimeoutExpired:
        raise UserError(f"{words[0]} gave no answer in {SECONDS:.0f} s.") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise UserError(f"{words[0]} fails: {(said or ['it says nothing'])[-1][:200].rstrip('.')}.")
    return done.stdout


def partitions() -> dict[str, Partition]:
    """Return the cluster's partitions by name, as sinfo lists them, a line for each kind of node.

    Raises:
        UserError: sinfo cannot be asked.
    """
    found: dict[str, Partition] = {}
    for line in ask_slurm("sinfo", "--noheader", "--format=%P|%a|%l|%m|%G").splitlines():
        fields = [field.strip() for field in line.split("|")]
        if len(fields) != 5:
            continue
        name, up, limit, memory, gres = fields
        known = found.get(name.rstrip("*"))
        found[name.rstrip("*")] = Partition(
            name.rstrip("*"),
            name.endswith("*"),
            up == "up",
            minutes_of(limit),
            max(float(re.sub(r"\D", "", memory) or 0), known.node_mb if known else 0.0),
            gpu_models(gres) | (known.gpus if known else frozenset()),
        )
    return found


def minutes_of(limit: str) -> float:
    """Return a time as Slurm writes it, ``[days-][[hours:]minutes:]seconds``, in minutes."""
    days, dash, rest = limit.rpartition("-")
    try:
        parts = [int(part) for part in rest.split(":")]
        whole = int(days) * 1440 if dash else 0
    except ValueError:
        return math.inf  # infinite, or n/a
    hours, minutes, seconds = ([0] * (3 - len(parts)) + parts)[-3:]
    return whole + 60 * hours + minutes + seconds / 60


def gpu_models(gres: str) -> frozenset[str]:
    """Return the GPU models in a node's generic resources, such as ``gpu:a100:4(S:0-1)``."""
    models = set()
    for one in re.sub(r"\([^)]*\)", "", gres).split(","):
        kind, _, rest = one.partition(":")
        if kind == "gpu":
            model, colon, _ = rest.rpartition(":")
            models.add(model if colon else rest if not rest.isdecimal() else "")
    return frozenset(models)


def accounting() -> str:
    """Return why sacct cannot watch jobs here; empty if it can."""
    try:
        ask_slurm("sacct", "--noheader", "--allocations", "--starttime=now-1hour")
    except UserError as error:
        return str(error)
    return ""


def remembered_seconds() -> float | None:
    """Return for how long squeue knows of a job that has ended; None if nobody tells."""
    try:
        told = ask_slurm("scontrol", "show", "config")
    except UserError:
        return None
    found = re.search(r"^MinJobAge\s*=\s*(\d+)", told, re.MULTILINE)
    return float(found[1]) if found else None
