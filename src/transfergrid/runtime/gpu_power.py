"""Energy of the GPU that a process uses, by the power that nvidia-smi reads now and then.

nvidia-smi tells no energy: of the fields of ``--query-gpu`` (nvidia-smi --help-query-gpu),
power.draw is the draw of the whole board in watts.
"""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import time
from collections.abc import Callable

from transfergrid.runtime.gpus import VISIBLE, list_boards, visible

MOST_S = 60.0
"""Seconds between two readings after which what lay between them is not known."""

_TIMEOUT_S = 20.0


class GpuMeter:
    """Integrates a GPU's power over time, by the trapezoidal rule.

    The time before the first reading counts with the first, the time after the last with the last.
    """

    def __init__(self, begun: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin without a reading.

        Args:
            begun: When what is measured began, by the clock.
            clock: Returns seconds that only rise.
        """
        self._clock, self._at, self._watts = clock, begun, math.nan
        self._readings, self._joules = 0, 0.0
        self._gap = 0.0

    def add(self, watts: float) -> None:
        """Add a reading that was taken just now."""
        now = self._clock()
        before = watts if self._readings == 0 else self._watts
        self._reach(now, (before + watts) / 2)
        self._watts = watts
        self._readings += 1

    def joules(self) -> float | None:
        """Return the joules until now; None with fewer than two readings, or a long gap."""
        if self._readings < 2:
            return None
        self._reach(self._clock(), self._watts)
        return None if self._gap > MOST_S else self._joules

    def _reach(self, now: float, watts: float) -> None:
        self._gap = max(self._gap, now - self._at)
        self._joules += watts * (now - self._at)
        self._at = now


def metered_gpu(lease: str | None) -> str | None:
    """Return the UUID of the one GPU that this process uses; None if there is no such.

    A MIG instance has no power of its own: its board's is that of all instances.

    Args:
        lease: UUID of what was leased; without one, CUDA_VISIBLE_DEVICES tells.

    Raises:
        UserError: The driver is there, but nvidia-smi is missing or fails.
    """
    if lease is None:
        shown = visible(list_boards(), os.environ.get(VISIBLE))
        lease = shown[0].uuid if len(shown) == 1 else None
    return lease if lease is not None and lease.startswith("GPU-") else None


def read_watts(uuid: str) -> float | None:
    """Ask nvidia-smi what a GPU draws, in watts (0.1 to 1 s); None if it does not tell."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    asked = [f"--id={uuid}", "--query-gpu=power.draw", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(
            [program, *asked],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
        )
        watts = float(done.stdout)  # not [N/A], nor two lines
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return watts if done.returncode == 0 and math.isfinite(watts) and watts >= 0 else None
