"""What the programs that may run on a GPU have in common."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from transfergrid.data.rebuild import ensure_cache
from transfergrid.runtime.devices import choose_device, granted_gpus
from transfergrid.runtime.heartbeat import heartbeat
from transfergrid.runtime.leases import take_gpu


@dataclass(frozen=True)
class Device:
    """Where a job computes.

    Attributes:
        kind: ``cpu`` or ``cuda``.
        name: Name of the GPU, or ``cpu``.
        lease: UUID of the GPU that is leased, or None.
    """

    kind: str
    name: str
    lease: str | None

    @property
    def event(self) -> dict[str, str | None]:
        """What the job records about itself."""
        return {"event": "device", "device": self.name, "lease": self.lease}


def add_device_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --gpus, --device and --threads."""
    parser.add_argument("--gpus", type=int, default=1, help="0 computes on the CPU")
    parser.add_argument(
        "--device", choices=["auto", "cuda"], default="auto", help="cuda: GPU or fail"
    )
    parser.add_argument("--threads", type=int, default=1, help="threads of the CPU's kernels")


def say(message: str) -> None:
    """Write a sentence to the job's log."""
    print(message, file=sys.stderr, flush=True)


def bring_back_cache(
    dataset_id: str, results: Path, threads: int, tell: Callable[[str], None] | None = None
) -> None:
    """Decode a data set again if its cache is gone, with signs of life."""
    # Everything that may need a network ran before; a job on a compute node must not hang on one.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    with heartbeat("preparing the data set", every=30, tell=tell):
        ensure_cache(dataset_id, results, threads)


def take_device(
    arguments: argparse.Namespace,
    label: str,
    say: Callable[[str], None],
    check: Callable[[], None] = lambda: None,
) -> Device:
    """Lease a GPU if one is granted and seen, then import torch, which sees no other.

    Args:
        arguments: With those of `add_device_arguments`.
        label: What the job does, for those who wait for the GPU.
        say: Gets a sentence while all GPUs are leased.
        check: Called about every second while waiting; may raise to end it.

    Raises:
        UserError: No GPU can be had and one must be.
    """
    gpus = granted_gpus(arguments.gpus, os.environ)
    lease = take_gpu(gpus, say, label, check)
    import torch  # after the lease, which says what it may see

    torch.set_num_threads(arguments.threads)
    kind = choose_device(gpus, torch.cuda.is_available(), arguments.device)
    name = torch.cuda.get_device_name() if kind == "cuda" else kind
    return Device(kind, name, lease.uuid if lease else None)
