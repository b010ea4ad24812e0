"""Checks of a profile for Slurm, and of the cluster that its jobs would go to."""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from transfergrid.commands.remarks import Remark
from transfergrid.commands.slurm_cluster import (
    Partition,
    accounting,
    partitions,
    remembered_seconds,
)
from transfergrid.commands.slurm_profile import Profile, Wish, read_profile, unquoted
from transfergrid.planning.paths import PROJECT
from transfergrid.runtime.errors import listed, suggest

PLUGIN = "snakemake-executor-plugin-slurm"
PROGRAMS = ("sbatch", "srun", "squeue", "scancel", "sinfo", "scontrol")
MODEL = re.compile(r"[A-Za-z0-9_.]+")
GRES = re.compile(r"[A-Za-z0-9_]+(:[A-Za-z0-9_.]+)?(:\d+[TGM]?)?")
"""What version 2.8.0 of the plug-in takes (its utils.py, set_gres_string)."""
MANAGED = re.compile(
    r"(--(?:gres|gpus|mem|mem-per-cpu|time|partition|account|nodes|ntasks|cpus-per-task|constraint"
    r"|qos))[=\s]"
)
"""Options that the plug-in refuses in slurm_extra (its validation.py), those of most use."""
LOOKS = 180.0
"""Seconds between two looks of the plug-in at its jobs, at most."""
SMALL_MB, SHORT = 100, 10
"""A rule asks for less memory (MB) or time (minutes) only by a mistake of units."""


def check_slurm(place: Path | None, device: str) -> Iterator[Remark]:
    """Check a profile, then what the cluster says of what it asks for.

    Args:
        place: The profile's folder or file; None stands for profiles/slurm, here or the project's.
        device: The studies' setting: ``auto``, ``cpu`` or ``cuda``; ``unknown`` if their files
            cannot be read.

    Raises:
        UserError: The profile cannot be read, or the cluster gives no answer.
    """
    own = Path("profiles") / "slurm"
    profile = read_profile(place or (own if own.exists() else PROJECT / own))
    wishes = profile.wishes()
    faults = [*_executor(profile), *_names(wishes), *_extras(wishes), *_units(profile)]
    yield from faults or [Remark("ok", "profile", f"{profile.path} can be read.")]
    missing = [name for name in PROGRAMS if not shutil.which(name)]
    if missing:
        yield Remark(
            "error",
            "slurm",
            f"this machine lacks {listed(missing)}, so the cluster was not asked.",
            "run this where you would run snakemake: on a node from which jobs are submitted",
        )
        return
    yield from _watched(profile)
    found = partitions()
    for partition in found.values():
        yield Remark("ok", "partition", f"{_about(partition)}.")
    yield from _unnameable(found.values())
    yield from _fits(wishes, found, profile.attempts, device != "cpu")


def _about(partition: Partition) -> str:
    limit = "" if math.isinf(partition.minutes) else f", at most {partition.minutes:.0f} minutes"
    models = sorted(filter(None, partition.gpus))
    gpus = (f", GPUs: {listed(models)}" if models else ", GPUs") if partition.gpus else ", no GPU"
    closed = "" if partition.up else ", closed"
    usual = ", the default" if partition.default else ""
    memory = f", nodes of up to {partition.node_mb:.0f} MB"
    return f"{partition.name}{usual}{closed}{limit}{memory}{gpus}"


def _unnameable(found: Iterable[Partition]) -> Iterator[Remark]:
    models = {model for partition in found for model in partition.gpus}
    odd = sorted(model for model in models if model and not MODEL.fullmatch(model))
    if odd:
        yield Remark(
            "ok",
            "gpu model",
            f"{listed(odd)}: the plug-in does not take this name in gpu_model or gres; without "
            "one, a job gets any GPU of its partition.",
            _instead(odd[0]),
        )


def _instead(model: str) -> str:
    return f"to name it: gpu: 0 and, in slurm_extra, --gpus-per-node={model}:1 (docs/slurm.md)"


def _executor(profile: Profile) -> Iterator[Remark]:
    try:
        found = version(PLUGIN)
    except PackageNotFoundError:
        yield Remark("error", "plug-in", f"{PLUGIN} is not installed.", "make env")
    else:
        if tuple(map(int, re.findall(r"\d+", found)[:2])) < (2, 8):
            yield Remark(
                "error", "plug-in", f"{PLUGIN} is {found}; 2.8 or newer is needed.", "make env"
            )
    if profile.settings.get("executor") != "slurm":
        yield Remark(
            "error",
            "profile",
            f"{profile.path} has no executor: slurm, so its jobs would run on this machine.",
            "executor: slurm",
        )
    if profile.settings.get("slurm-array-jobs"):
        yield Remark(
            "warning",
            "profile",
            "slurm-array-jobs: version 2.8.0 of the plug-in never submits a part of an array.",
            "leave it out (docs/slurm.md)",
        )


def _names(wishes: Sequence[Wish]) -> Iterator[Remark]:
    """Say which names the plug-in refuses once the first job is submitted."""
    for key, form in (("gpu_model", MODEL), ("gres", GRES)):
        for value, rules in _grouped(wishes, key).items():
            if form.fullmatch(value):
                continue
            model = value.split(":")[1] if ":" in value else value
            yield Remark(
                "error",
                "gpu model" if key == "gpu_model" else "gres",
                f"{listed(rules)}: {key} is {value}, which the plug-in refuses: a name has "
                f"letters, digits, underscores{' and dots' if key == 'gpu_model' else ''} alone.",
                f"leave {key} out; {_instead(model)}",
            )


def _extras(wishes: Sequence[Wish]) -> Iterator[Remark]:
    for value, rules in _grouped(wishes, "slurm_extra").items():
        for option in sorted(set(MANAGED.findall(f"{value} "))):
            told = f"{listed(rules)}: slurm_extra has {option}, which the plug-in sets itself."
            mend = "the resource of that meaning"
            if option in ("--gpus", "--gres"):
                mend = "gpu: 1, or gpu: 0 and --gpus-per-node in slurm_extra (docs/slurm.md)"
            yield Remark("error", "slurm_extra", told, mend)


def _grouped(wishes: Sequence[Wish], key: str) -> Mapping[str, list[str]]:
    """Return the rules by what they have for a setting, those that have something."""
    found: dict[str, list[str]] = {}
    for wish in wishes:
        if wish.text(key):
            found.setdefault(wish.text(key), []).append(wish.rule)
    return found


def _units(profile: Profile) -> Iterator[Remark]:
    parts = {"default-resources": profile.defaults, **profile.rules}
    for where, settings in parts.items():
        memory, time = unquoted(settings.get("mem_mb")), unquoted(settings.get("runtime"))
        if re.fullmatch(r"\d+(\.\d+)?\s*[A-Za-z]+", memory):
            yield Remark(
                "error",
                "memory",
                f"{where}: mem_mb is {memory}, and Snakemake wants a number of MB there.",
                f"mem: {memory}, or mem_mb with a number",
            )
        elif re.fullmatch(r"\d+(\.\d+)?", memory) and float(memory) < SMALL_MB:
            yield Remark(
                "error",
                "memory",
                f"{where}: mem_mb is {memory}, which is MB and too little for any job.",
                f"mem_mb: {float(memory) * 1000:.0f}, if GB were meant",
            )
        if ":" in time or re.fullmatch(r"\d+-\d+", time):
            yield Remark(
                "error",
                "time",
                f"{where}: runtime is {time}, which Snakemake does not read.",
                "minutes as a number, or 12h, or 2d",
            )
        elif re.fullmatch(r"\d+(\.\d+)?", time) and float(time) < SHORT:
            yield Remark(
                "warning",
                "time",
                f"{where}: runtime is {time}, which is minutes, and short for any job.",
                f"runtime: {float(time) * 60:.0f}, if hours were meant",
            )


def _watched(profile: Profile) -> Iterator[Remark]:
    """Say whether the run would hear of the ends of its jobs."""
    how, silent = profile.settings.get("slurm-status-command"), accounting()
    if how == "sacct" and silent:
        yield Remark(
            "error",
            "status",
            f"slurm-status-command is sacct, and a run would wait for ever: {silent}",
            "slurm-status-command: squeue",
        )
    elif how == "squeue":
        age = remembered_seconds()
        if age is not None and age < LOOKS:
            yield Remark(
                "warning",
                "status",
                f"squeue forgets a job {age:.0f} s after its end (MinJobAge), and Snakemake looks "
                f"every 20 to {LOOKS:.0f} s: it may never hear of it.",
                "slurm-status-command: sacct" if not silent else "ask for a longer MinJobAge",
            )
        else:
            also = " sacct would do as well." if not silent else ""
            yield Remark("ok", "status", f"squeue tells of jobs that have ended.{also}")
    elif how not in ("sacct", "squeue"):
        yield Remark(
            "warning" if silent else "ok",
            "status",
            f"slurm-status-command is {how or 'not set'}: the plug-in takes sacct wherever the "
            f"program is installed.{f' Here {silent}' if silent else ''}",
            "slurm-status-command: squeue" if silent else "",
        )
    else:
        yield Remark("ok", "status", "sacct tells of jobs that have ended.")


def _fits(
    wishes: Sequence[Wish], found: Mapping[str, Partition], attempts: int, gpus: bool
) -> Iterator[Remark]:
    """Compare what rules ask for with their partition; rules with the same fault share a remark."""
    usual = next((partition for partition in found.values() if partition.default), None)
    told: dict[Remark, list[str]] = {}
    for wish in wishes:
        name = wish.text("slurm_partition")
        partition = found.get(name) if name else usual
        if partition is None:
            said = f"partition {name} is not there" if name else "no partition is the default"
            mend = f"slurm_partition: one of {listed(found)}{suggest(name, found) if name else ''}"
            told.setdefault(Remark("error", "partition", said, mend), []).append(wish.rule)
            continue
        for remark in _lacks(wish, partition, attempts, gpus):
            told.setdefault(remark, []).append(wish.rule)
    for remark, rules in told.items():
        yield Remark(remark.level, remark.what, f"{listed(rules)}: {remark.told}.", remark.mend)


def _lacks(wish: Wish, partition: Partition, attempts: int, gpus: bool) -> Iterator[Remark]:
    name = partition.name
    if not partition.up:
        yield Remark("error", "partition", f"partition {name} takes no jobs")
    for what, asked, most, unit, mend in (
        ("time", wish.minutes, partition.minutes, "minutes", "runtime"),
        ("memory", wish.mem_mb, partition.node_mb, "MB", "mem_mb"),
    ):
        over = [n for n in range(1, attempts + 1) if asked and asked.at(n) > most > 0]
        if asked and over:
            more = "" if over[0] == 1 else f" at attempt {over[0]}"
            yield Remark(
                "error" if over[0] == 1 else "warning",
                what,
                f"{asked.at(over[0]):.0f} {unit}{more}, and partition {name} has {most:.0f} at "
                "most: Slurm refuses such a job, or never starts it",
                f"set-resources: {wish.rule}: {mend}: {most:.0f}, which does not grow",
            )
    if wish.gpu and gpus:
        yield from _gpu(wish, partition)


def _gpu(wish: Wish, partition: Partition) -> Iterator[Remark]:
    if not partition.gpus:
        yield Remark(
            "error",
            "gpus",
            f"partition {partition.name} has no GPU, by what sinfo says",
            "slurm_partition of GPU nodes, or device: cpu in the study",
        )
        return
    gres = wish.text("gres").split(":")
    model = wish.text("gpu_model") or (gres[1] if len(gres) == 3 else "")
    known = sorted(filter(None, partition.gpus))
    if model and MODEL.fullmatch(model) and model not in known:
        has = listed(known) or "GPUs without names"
        yield Remark(
            "error",
            "gpu model",
            f"partition {partition.name} has no {model}, but {has}",
            "gpu_model: one of them" if known else "leave gpu_model out",
        )
