"""A machine with GPUs that are not there: an nvidia-smi for the PATH."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

QUERY = "--query-gpu=index,uuid,mig.mode.current,driver_version,memory.total,name"


def uuid(number: int) -> str:
    """Return the UUID of a fake GPU."""
    return f"GPU-{number:08x}-1111-2222-3333-444444444444"


def instance(number: int, part: int) -> str:
    """Return the UUID of a MIG instance of a fake GPU."""
    return f"MIG-{number:08x}-{part:04d}-5555-6666-777777777777"


def answers(
    numbers: Sequence[int], instances: Mapping[int, Sequence[int]] | None = None
) -> tuple[str, str]:
    """Return what ``--query-gpu`` and ``-L`` print for GPUs in this order.

    Args:
        numbers: The GPUs; their ordinals are their places.
        instances: Parts of each GPU that is in MIG mode.
    """
    rows, lines = [], []
    for ordinal, number in enumerate(numbers):
        mig = (instances or {}).get(number)
        mode = "[N/A]" if mig is None else "Enabled"
        rows.append(f"{ordinal}, {uuid(number)}, {mode}, 550.90.07, 81559 MiB, NVIDIA A100 80GB")
        lines.append(f"GPU {ordinal}: NVIDIA A100 80GB (UUID: {uuid(number)})")
        lines += [
            f"  MIG 1g.10gb     Device  {place}: (UUID: {instance(number, part)})"
            for place, part in enumerate(mig or ())
        ]
    return "".join(f"{row}\n" for row in rows), "".join(f"{line}\n" for line in lines)


def install(
    folder: Path, numbers: Sequence[int], instances: Mapping[int, Sequence[int]] | None = None
) -> Path:
    """Write an nvidia-smi into `folder` and return the folder, to be put on the PATH."""
    query, listing = answers(numbers, instances)
    return install_script(
        folder,
        f"""case "$1" in
  {QUERY}) printf %s {shlex.quote(query)} ;;
  -L) printf %s {shlex.quote(listing)} ;;
  *) echo "fake nvidia-smi: $*" >&2; exit 2 ;;
esac""",
    )


def install_script(folder: Path, script: str) -> Path:
    """Write an nvidia-smi that runs `script`."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return folder
