"""Checks of the working directory: disk space, locks, and what killed runs left behind."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.filesize import decimal

from transfergrid.commands.remarks import Remark
from transfergrid.commands.removal import leftovers, size_of
from transfergrid.planning.rights import closed_folders
from transfergrid.runtime.errors import listed


def check_writable(results: Path) -> Iterator[Remark]:
    """Check that results can be written and locked."""
    folder = results if results.exists() else results.absolute().parent
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".tmp-doctor-") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.write(b"x")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        yield Remark(
            "error",
            "results",
            f"{folder.absolute()} cannot be written and locked ({error.strerror}).",
            "choose another folder with --directory, or correct its permissions or its mount",
        )
        return
    closed = closed_folders(results)
    if closed:
        yield Remark(
            "error",
            "results",
            f"{listed(closed)} cannot be written by this user.",
            f"sudo chown -R $(id -un) {' '.join(closed)}",
        )
        return
    yield Remark("ok", "results", f"{folder.absolute()} can be written and locked.")
    yield from check_mount(folder.resolve(), Path("/proc/self/mounts"))


def check_mount(folder: Path, mounts: Path) -> Iterator[Remark]:
    """Check whether locks reach other machines if the file system is shared with them.

    Args:
        folder: An absolute path.
        mounts: The table of mounts: device, place, type and options on each line.
    """
    try:
        rows = [line.split() for line in mounts.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return
    holding = [row for row in rows if folder.is_relative_to(row[1].replace("\\040", " "))]
    if not holding:
        return
    _, place, kind, options = max(holding, key=lambda row: len(row[1]))[:4]
    words = set(options.split(","))
    local = {
        "nfs": {"local_lock=flock", "local_lock=all", "nolock"},
        "nfs4": {"local_lock=flock", "local_lock=all"},
        "lustre": {"localflock"},
    }.get(kind, set())
    if words & local:
        yield Remark(
            "warning",
            "results",
            f"{place} ({kind}) is mounted with {listed(sorted(words & local))}: other machines do "
            "not see its locks, so only one machine may work here.",
            "start one run at a time, or have it mounted with shared locks",
        )


def check_disk(need: Mapping[str, int], results: Path, whole: bool = True) -> Iterator[Remark]:
    """Compare the disk space that the studies still need with what is free.

    Args:
        need: Bytes by what they are for.
        results: The folder of results, or where it will be.
        whole: Whether that is all that they need; for a study with faults it is not.
    """
    folder = results if results.exists() else results.absolute().parent
    free = shutil.disk_usage(folder).free
    total = sum(need.values())
    parts = [f"{what} {decimal(count)}" for what, count in need.items() if count]
    told = f"about {decimal(total)} needed" + (f" ({', '.join(parts)})" if parts else "")
    told += f", {decimal(free)} free."
    if not whole:
        told = f"at least {', '.join(parts)} needed, " if parts else ""
        told += f"{decimal(free)} free; how much is needed is known once the study has no fault."
    if total > free:
        mend = "free some space, or make results a link to a folder on a larger disk"
        yield Remark("error", "disk", told, mend)
    elif total > 0.8 * free:
        yield Remark("warning", "disk", told, "keep an eye on it; quotas are not known here")
    else:
        yield Remark("ok", "disk", told)


@dataclass(frozen=True)
class Running:
    """Processes on this machine that work in a folder.

    Attributes:
        snakemake: Ids of Snakemake's processes.
        jobs: Ids of jobs that run TransferGrid's rules.
        hidden: Number of another user's Snakemake processes, whose folder cannot be seen.
    """

    snakemake: tuple[int, ...]
    jobs: tuple[int, ...]
    hidden: int


def running_in(folder: Path, processes: Path = Path("/proc")) -> Running:
    """Find the processes of Snakemake, and its jobs, that have `folder` as working directory."""
    snakemake: list[int] = []
    jobs: list[int] = []
    hidden = 0
    for entry in processes.glob("[0-9]*"):
        if entry.name == str(os.getpid()):
            continue
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        is_snakemake = any(Path(word).name == "snakemake" for word in words[:4])
        is_job = any("/workflow/scripts/" in word for word in words[:3])
        if not is_snakemake and not is_job:
            continue
        try:
            here = os.path.samefile(entry / "cwd", folder)
        except OSError:
            hidden += is_snakemake
            continue
        if here:
            (snakemake if is_snakemake else jobs).append(int(entry.name))
    return Running(tuple(sorted(snakemake)), tuple(sorted(jobs)), hidden)


def check_killed(running: Running, unlock: str) -> Iterator[Remark]:
    """Check what a killed Snakemake run left in the working directory.

    Args:
        running: Processes that work here.
        unlock: The command that removes Snakemake's locks.
    """
    locks = [path for path in Path(".snakemake", "locks").glob("*") if path.is_file()]
    if running.snakemake:
        told = f"Snakemake runs in this folder now (process {listed(running.snakemake)})"
        yield Remark("ok", "locks", f"{told}; a second run would stop.")
        return
    jobs = f"process {listed(running.jobs)}"
    if locks:
        told = "a killed run left its locks, which would stop the next run"
        unseen = " and none of another user" if running.hidden else ""
        if running.jobs:
            yield Remark(
                "error",
                "locks",
                f"{told}; its jobs still run ({jobs}).",
                f"wait for them or end them, then: {unlock}",
            )
        else:
            yield Remark(
                "error",
                "locks",
                f"{told}; no Snakemake process on this machine works here.",
                f"if none does on another machine{unseen}: {unlock}",
            )
    elif running.jobs:
        yield Remark(
            "warning",
            "locks",
            f"jobs of a run that has ended still work here ({jobs}); they lock their cells, so a "
            "new run's jobs for the same cells would stop.",
            "wait for them, or end them",
        )
    else:
        yield Remark("ok", "locks", "no run is in progress, and none left its locks.")
    yield from _incomplete()


def _incomplete() -> Iterator[Remark]:
    folder = Path(".snakemake", "incomplete")
    count = sum(len(files) for _, _, files in os.walk(folder))
    if count:
        yield Remark(
            "warning",
            "incomplete",
            f"{count} file(s) were being written when a run was killed; the next run makes them "
            "again, and trainings go on from their saved states.",
            "nothing, or with --workflow-profile none: --rerun-incomplete",
        )


def check_leftovers(results: Path) -> Iterator[Remark]:
    """Look for temporary files of killed writers."""
    left = list(leftovers(results))
    count = sum(len(files) for path in left for _, _, files in os.walk(path))
    count += sum(not path.is_dir() for path in left)
    size = sum(map(size_of, left))
    if left:
        yield Remark(
            "warning",
            "leftovers",
            f"{count} temporary file(s) of killed jobs take {decimal(size)}; nothing reads them.",
            "transfergrid prune lists them, transfergrid prune --delete removes them",
        )
