"""The GPUs that nvidia-smi lists on this machine, and which of them this process may use."""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from transfergrid.runtime.errors import UserError

VISIBLE = "CUDA_VISIBLE_DEVICES"

FIELDS = ("index", "uuid", "mig.mode.current", "driver_version", "memory.total", "name")

_DRIVER = (Path("/dev/nvidiactl"), Path("/dev/dxg"))  # the second is WSL's
_TIMEOUT_S = 60.0
_BOARD_LINE = re.compile(r"GPU \d+: .*\(UUID: (GPU-[^)\s]+)\)")
_INSTANCE_LINE = re.compile(r"\s+MIG (\S+)\s+Device\s+\d+: \(UUID: (MIG-[^)\s]+)\)")
_ORDINAL = re.compile(r"\s*([+-]?[0-9]+)")


@dataclass(frozen=True)
class Gpu:
    """What one job can have: a whole GPU, or an instance of a GPU in MIG mode.

    Attributes:
        uuid: ``GPU-<uuid>`` or ``MIG-<uuid>``; unlike ordinals, the same in every container and
            allocation.
        name: Name of the product, or of the instance's profile.
    """

    uuid: str
    name: str


@dataclass(frozen=True)
class Board:
    """One GPU of the machine.

    Attributes:
        ordinal: Its number in the order of PCI addresses, which nvidia-smi uses.
        gpu: Its UUID and name.
        driver: Version of the driver.
        memory_mib: Its memory in MiB; None if nvidia-smi does not know it.
        instances: Its MIG instances; None if it is not in MIG mode.
    """

    ordinal: int
    gpu: Gpu
    driver: str
    memory_mib: int | None
    instances: tuple[Gpu, ...] | None

    @property
    def usable(self) -> tuple[Gpu, ...]:
        """What jobs can have: the GPU itself or, in MIG mode, its instances."""
        return (self.gpu,) if self.instances is None else self.instances


def list_boards() -> tuple[Board, ...]:
    """Ask nvidia-smi for the machine's GPUs (0.1 to 1 s); none without NVIDIA's driver.

    Raises:
        UserError: The driver is there, but nvidia-smi is missing or fails.
    """
    program = shutil.which("nvidia-smi")
    if program is None:
        if any(path.exists() for path in _DRIVER):
            raise UserError(
                "this machine has NVIDIA's driver, but nvidia-smi is not on the PATH, and without "
                "it no GPU can be leased; put it there (in a container: "
                "NVIDIA_DRIVER_CAPABILITIES=compute,utility), or run with --resources gpu=0."
            )
        return ()
    boards = parse_boards(_ask(program, f"--query-gpu={','.join(FIELDS)}", "--format=csv,noheader"))
    if all(board.instances is None for board in boards):
        return boards
    instances = parse_instances(_ask(program, "-L"))
    return tuple(
        board
        if board.instances is None
        else replace(board, instances=_named(board, instances.get(board.gpu.uuid, ())))
        for board in boards
    )


def _named(board: Board, instances: Iterable[Gpu]) -> tuple[Gpu, ...]:
    """Return MIG instances under PyTorch's names for them, which begin with the board's."""
    return tuple(replace(part, name=f"{board.gpu.name} {part.name}") for part in instances)


def _ask(program: str, *arguments: str) -> str:
    try:
        done = subprocess.run(
            [program, *arguments], capture_output=True, text=True, timeout=_TIMEOUT_S
        )
        failed, told = done.returncode != 0, done.stdout + done.stderr
    except subprocess.TimeoutExpired:
        failed, told = True, f"no answer in {_TIMEOUT_S:.0f} s"
    except OSError as error:
        failed, told = True, str(error.strerror)
    # It fails without the driver; it may also fail with the driver if every GPU is hidden.
    if failed and any(path.exists() for path in _DRIVER) and "no devices" not in told.lower():
        reason = " ".join(told.split())[:200].rstrip(".")
        raise UserError(
            f"nvidia-smi cannot list the GPUs ({reason}), so none can be leased; repair the driver "
            "(after an update: restart the machine), or run with --resources gpu=0."
        )
    return "" if failed else done.stdout


def parse_boards(text: str) -> tuple[Board, ...]:
    """Read the answer to ``--query-gpu`` with `FIELDS`; lines in another form are warnings.

    A GPU in MIG mode gets an empty tuple of instances.
    """
    boards = []
    for row in csv.reader(text.splitlines(), skipinitialspace=True):
        if len(row) < len(FIELDS) or not row[0].isdecimal() or not row[1].startswith("GPU-"):
            continue
        ordinal, uuid, mig, driver, memory, *name = row
        number = memory.split(" ")[0]
        boards.append(
            Board(
                ordinal=int(ordinal),
                gpu=Gpu(uuid, ", ".join(name)),
                driver=driver,
                memory_mib=int(number) if number.isdecimal() else None,
                instances=() if mig == "Enabled" else None,
            )
        )
    return tuple(sorted(boards, key=lambda board: board.ordinal))


def parse_instances(text: str) -> Mapping[str, tuple[Gpu, ...]]:
    """Read ``nvidia-smi -L``: MIG instances by their GPU's UUID."""
    found: dict[str, tuple[Gpu, ...]] = {}
    board = ""
    for line in text.splitlines():
        if match := _BOARD_LINE.match(line):
            board = match[1]
        elif match := _INSTANCE_LINE.match(line):
            found[board] = (*found.get(board, ()), Gpu(match[2], f"MIG {match[1]}"))
    return found


def count_visible(needed: bool) -> int:
    """Count the GPUs and MIG instances that this process may use.

    Args:
        needed: Whether a driver that does not answer is an error; otherwise it counts as no GPU.

    Raises:
        UserError: As `list_boards`, if GPUs are needed.
    """
    try:
        return len(visible(list_boards(), os.environ.get(VISIBLE)))
    except UserError:
        if needed:
            raise
        return 0


def visible(boards: Sequence[Board], setting: str | None) -> tuple[Gpu, ...]:
    """Return what ``CUDA_VISIBLE_DEVICES`` leaves of the machine's GPUs, in its order.

    As in CUDA, the first entry decides whether the list holds ordinals, GPUs or instances; the
    beginning of a UUID is enough if only one device has it; an entry that names no device ends the
    list, and a device named twice empties it. Ordinals are nvidia-smi's. A GPU in MIG mode stands
    for all its instances, whereas CUDA would show only the first.

    Args:
        boards: The machine's GPUs.
        setting: The variable's value; None if it is not set.
    """
    if setting is None:
        return tuple(gpu for board in boards for gpu in board.usable)
    things = {board.gpu.uuid: board.usable for board in boards}
    things |= {gpu.uuid: (gpu,) for board in boards for gpu in board.usable}
    kind = setting[:4] if setting.startswith(("GPU-", "MIG-")) else None
    chosen: list[str] = []
    for entry in setting.split(","):
        uuid = _beginning(entry.strip(), kind, things) if kind else _numbered(entry, boards)
        if uuid is None:
            break
        if uuid in chosen:
            return ()
        chosen.append(uuid)
    return tuple(gpu for uuid in chosen for gpu in things[uuid])


def _numbered(entry: str, boards: Sequence[Board]) -> str | None:
    match = _ORDINAL.match(entry)
    ordinal = int(match[1]) if match else -1
    return next((board.gpu.uuid for board in boards if board.ordinal == ordinal), None)


def _beginning(entry: str, kind: str, uuids: Iterable[str]) -> str | None:
    if not entry.startswith(kind):
        return None
    fitting = [uuid for uuid in uuids if uuid.startswith(entry)]
    whole = [uuid for uuid in fitting if uuid == entry]
    return (whole or fitting)[0] if whole or len(fitting) == 1 else None
