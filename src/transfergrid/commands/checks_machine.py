"""Checks of the machine: GPUs, leases, torch, memory, cores, open files."""

from __future__ import annotations

import os
import resource
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from transfergrid.commands.probe import Probe
from transfergrid.commands.remarks import Remark
from transfergrid.runtime.errors import UserError, listed
from transfergrid.runtime.gpus import VISIBLE, Board, Gpu, list_boards, visible
from transfergrid.runtime.leases import holders, open_folder

TRAIN_MIB = 4000
"""Memory that the rules request for a training (their mem_mb)."""
OPEN_FILES = 1024
"""Enough for a Snakemake run with many jobs."""


def check_gpus(device: str, command: str) -> Iterator[Remark]:
    """Check the GPUs and who holds them.

    Args:
        device: The studies' setting: ``auto``, ``cpu`` or ``cuda``; ``unknown`` if their files
            cannot be read.
        command: The studies' Snakemake command, to show with its resources.
    """
    if device == "cpu":
        yield _unasked()
        return
    try:
        boards = list_boards()
    except UserError as error:
        yield Remark("error", "gpus", str(error))
        return
    if not boards:
        yield _none(device)
        return
    yield Remark("ok", "gpus", _list(boards))
    for board in boards:
        if board.instances == ():
            yield Remark(
                "warning",
                "gpus",
                f"GPU {board.ordinal} ({board.gpu.uuid}) is in MIG mode and has no instance, so no "
                "job can have it.",
                f"sudo nvidia-smi mig -i {board.ordinal} -cgi 0 -C, or switch MIG off: "
                f"sudo nvidia-smi -i {board.ordinal} -mig 0",
            )
    usable = visible(boards, os.environ.get(VISIBLE))
    yield from _visible(usable, visible(boards, None), device)
    if usable:
        yield from _leases(usable)
        yield Remark(
            "ok",
            "gpu limit",
            "Snakemake must be told how many GPU jobs to start at once.",
            f"{command} --resources gpu={len(usable)}",
        )


def _unasked() -> Remark:
    told = "device is cpu: no GPU is requested"
    boards: Sequence[Board] = ()
    with suppress(UserError):  # a broken driver does not matter here
        boards = list_boards()
    if not boards:
        return Remark("ok", "gpus", f"{told}.")
    return Remark(
        "warning",
        "gpus",
        f"{told}, and this machine has {_list(boards)}",
        "leave device out of the study, or add --config device=auto",
    )


def _none(device: str) -> Remark:
    if shutil.which("sbatch"):
        return Remark(
            "ok", "gpus", "this machine has no NVIDIA GPU; jobs that Slurm starts may get one."
        )
    if device == "cuda":
        return Remark(
            "error",
            "gpus",
            "device is cuda, but this machine has no NVIDIA GPU (no nvidia-smi with a driver).",
            "run it where nvidia-smi -L lists one, or add --config device=cpu",
        )
    said = "no readable study names a device" if device == "unknown" else "device is auto"
    return Remark(
        "warning",
        "gpus",
        f"{said}, and this machine has no NVIDIA GPU: everything would run on the CPU.",
        "if that is intended: --config device=cpu",
    )


def _list(boards: Sequence[Board]) -> str:
    def name(board: Board) -> str:
        memory = f" ({board.memory_mib / 1024:.0f} GiB)" if board.memory_mib else ""
        parts = "" if board.instances is None else f" in {len(board.instances)} MIG instances"
        return f"{board.gpu.name}{memory}{parts}"

    counts = Counter(name(board) for board in boards)
    told = [f"{count} × {kind}" if count > 1 else kind for kind, count in counts.items()]
    return f"{', '.join(told)}; driver {boards[0].driver}."


def _visible(usable: Sequence[Gpu], every: Sequence[Gpu], device: str) -> Iterator[Remark]:
    setting = os.environ.get(VISIBLE)
    if "SLURM_JOB_ID" in os.environ:
        yield Remark(
            "ok",
            "slurm",
            "inside a Slurm allocation, which decides who gets which GPU; leases only divide GPUs "
            f"if {VISIBLE} ({setting or 'not set'}) shows more than one.",
        )
    elif every and len(usable) < len(every):
        yield Remark(
            "ok" if usable else ("error" if device == "cuda" else "warning"),
            "gpus",
            f"{VISIBLE}={setting} leaves {len(usable)} of {len(every)}.",
            "" if usable else f"unset {VISIBLE}",
        )


def _leases(usable: Sequence[Gpu]) -> Iterator[Remark]:
    try:
        folder = open_folder()
        held = holders(usable, folder)
    except UserError as error:
        yield Remark("error", "gpu leases", str(error))
        return
    if not os.access(folder, os.W_OK | os.X_OK):
        yield Remark(
            "error",
            "gpu leases",
            f"this user may not use the folder {folder} of the GPU locks.",
            f"have its owner run: chmod 1777 {folder}",
        )
        return
    who = [f"{uuid[:12]} by {holder}" for uuid, holder in held.items()]
    told = f"{len(held)} of {len(usable)} leased now" + (f": {listed(who, 8)}" if who else "")
    yield Remark("ok", "gpu leases", f"{told}; locks in {folder}.")


def check_torch(probe: Probe, device: str, boards: int) -> Iterator[Remark]:
    """Check torch against the driver and the GPUs.

    Args:
        probe: What torch says.
        device: The studies' setting.
        boards: Number of GPUs that nvidia-smi lists.
    """
    if probe.fault:
        yield Remark("error", "torch", f"{probe.fault}.", "make env")
        return
    build = f"CUDA {probe.cuda}" if probe.cuda else ("ROCm" if probe.rocm else "the CPU only")
    told = f"torch {probe.torch}, built for {build}"
    level = "error" if device == "cuda" else "warning"
    if device == "cpu" or (not boards and not probe.available):
        yield Remark("ok", "torch", f"{told}.")
    elif probe.rocm:
        yield Remark(
            "warning",
            "torch",
            f"{told}: AMD's GPUs are not leased, so two jobs may end up on the same one.",
            "give each run its own GPU with HIP_VISIBLE_DEVICES, and --resources gpu=1",
        )
    elif not probe.cuda:
        yield Remark(
            level,  # type: ignore[arg-type]
            "torch",
            f"{told}, cannot use the GPU: training would run on the CPU.",
            "make env, or install a CUDA build of torch (pytorch.org/get-started)",
        )
    elif not probe.available:
        reason = f": {probe.said}" if probe.said else ""
        yield Remark(
            level,  # type: ignore[arg-type]
            "torch",
            f"{told}, cannot use the GPU{reason.rstrip('.')}; training would run on the CPU.",
            f"update NVIDIA's driver to one for CUDA {probe.cuda} or later (nvidia-smi shows what "
            "it supports), or install a torch built for an older CUDA",
        )
    else:
        yield from _generations(probe, told)


def _generations(probe: Probe, told: str) -> Iterator[Remark]:
    strange = [name for name, (major, minor) in probe.devices if not _runs(probe, major, minor)]
    if not strange:
        yield Remark("ok", "torch", f"{told}, sees {len(probe.devices)} GPU(s).")
        return
    yield Remark(
        "error",
        "torch",
        f"{told}, has no kernels for {listed(dict.fromkeys(strange))} "
        f"(it has {listed(probe.built_for)}).",
        "install a torch built for it, or leave the GPU out with CUDA_VISIBLE_DEVICES",
    )


def _runs(probe: Probe, major: int, minor: int) -> bool:
    """Tell whether kernels for this or an older member of the generation, or PTX, are there."""
    for name in probe.built_for:
        kind, _, number = name.partition("_")
        digits = number.rstrip("af")
        if not digits.isdecimal():
            continue
        built = (int(digits[:-1]), int(digits[-1]))
        if kind == "sm" and built[0] == major and built[1] <= minor:
            return True
        if kind == "compute" and built <= (major, minor):
            return True
    return False


def check_machine() -> Iterator[Remark]:
    """Check cores, memory and the limit of open files."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    memory = memory_mib()
    at_once = memory // TRAIN_MIB
    told = f"{cores} cores, {memory / 1024:.0f} GiB of memory"
    if at_once < 1:
        yield Remark(
            "warning", "machine", f"{told}; a training asks for {TRAIN_MIB / 1000:.0f} GB."
        )
    elif at_once < cores:
        yield Remark(
            "ok",
            "machine",
            f"{told}, enough for {at_once} trainings at once.",
            f"--resources mem_mb={memory} keeps Snakemake within it",
        )
    else:
        yield Remark("ok", "machine", f"{told}.")
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit != resource.RLIM_INFINITY and limit < OPEN_FILES:
        yield Remark(
            "warning",
            "open files",
            f"a process may open {limit} files; many jobs at once need {OPEN_FILES}.",
            f"ulimit -n {OPEN_FILES}",
        )


def memory_mib() -> int:
    """Return the memory that this process may use, in MiB: the machine's or the container's."""
    size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            size = min(size, int(Path(path).read_text()))
        except (OSError, ValueError):
            continue
    return size // 2**20
