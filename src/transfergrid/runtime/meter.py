"""Measures the energy of a job while it has its device, from a thread of its own.

It is out of the way of what the job does: no result depends on it, and whatever fails in it leaves
a value out.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from transfergrid.runtime.energy import FINISHED, NAME, Energy, append_energy
from transfergrid.runtime.gpu_power import GpuMeter, metered_gpu, read_watts
from transfergrid.runtime.packages import PackageMeter

EVERY_S = 5.0
"""Seconds between two looks. A job that ends before has no process started for it."""

_FAILURES = 3
"""Readings that fail one after the other before nvidia-smi is left alone."""


class Meter:
    """Measures from its making until `end`.

    Attributes:
        pid: The process that it was made in; no other may call it.
    """

    def __init__(self, gpu: bool, lease: str | None, every: float) -> None:
        """Begin.

        Args:
            gpu: Whether the job computes on a GPU.
            lease: UUID of the GPU that is leased, or None.
            every: Seconds between two looks.
        """
        self.pid = os.getpid()
        self._begun = time.monotonic()
        self._packages, self._gpu = PackageMeter(), GpuMeter(self._begun)
        self._over, self._lock = threading.Event(), threading.Lock()
        arguments = (every, gpu, lease)
        if gpu or self._packages.whole is not None:
            threading.Thread(target=self._watch, args=arguments, daemon=True).start()

    def end(self) -> Energy:
        """Stop, without waiting for a reading under way, and return what was measured."""
        self._over.set()
        with self._lock:
            self._packages.look()
            return Energy(
                seconds=time.monotonic() - self._begun,
                package_joules=self._packages.whole,
                cpu_joules=self._packages.share,
                gpu_joules=self._gpu.joules(),
            )

    def _watch(self, every: float, gpu: bool, lease: str | None) -> None:
        uuid: str | None = None
        failures = 0 if gpu else _FAILURES
        while not self._over.wait(every):
            with self._lock:
                if self._over.is_set():
                    return
                self._packages.look()
            if failures >= _FAILURES:
                continue
            try:
                uuid = uuid or metered_gpu(lease)
            except Exception:  # nvidia-smi is missing or broken
                uuid = None
            watts = read_watts(uuid) if uuid else None
            failures = failures + 1 if watts is None else 0
            with self._lock:
                if watts is not None and not self._over.is_set():
                    self._gpu.add(watts)


class EnergyLog:
    """Records the energy of each stage of a cell's job in the cell's folder, as far as it is told.

    Nothing raises: no result depends on it.
    """

    def __init__(self, logs: Path) -> None:
        """Measure nothing yet.

        Args:
            logs: The folder of the cell's logs.
        """
        self._path, self._stage = logs / NAME, ""
        self._device: Mapping[str, Any] | None = None
        self._meter: Meter | None = None

    def stage(self, name: str) -> None:
        """Begin a stage, on the same device; the one before has come to its end."""
        device = self._device
        self.end(FINISHED)
        self._stage = name
        if device is not None:
            self.device(device)

    def device(self, event: Mapping[str, Any]) -> None:
        """Begin to measure a job that now has its device.

        Args:
            event: What it tells about it: "device", which is "cpu" or a GPU's name, and "lease".
        """
        if self._meter is not None:
            return
        with suppress(Exception):
            self._device = event
            self._meter = Meter(event["device"] != "cpu", event.get("lease"), EVERY_S)

    def end(self, status: str) -> None:
        """Record what was measured, with how the stage ended."""
        meter, self._meter, self._device = self._meter, None, None
        if meter is None or meter.pid != os.getpid():
            return  # a forked child has no thread that measures, and maybe a lock that it held
        with suppress(Exception):
            energy = meter.end()
            if energy.told:
                append_energy(self._path, self._stage, status, energy)
