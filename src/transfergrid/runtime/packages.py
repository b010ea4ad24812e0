"""Energy of the processor's packages, by the kernel's RAPL counters, and one process's share of it.

A package's counter counts whatever runs on that socket. Of each interval's energy a process gets
the part that it had of the machine's busy processor time, so that the shares of all processes add
up to the whole. The kernel's description of the files: docs.kernel.org/power/powercap/powercap.html
and docs.kernel.org/filesystems/proc.html (/proc/stat).
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")
STAT = Path("/proc/stat")

MOST_S = 100.0
"""Seconds between two looks after which a counter may have come round unseen.

The smallest range in use, 65.5 kJ, is what 650 W take in that time.
"""
MOST_W = 5000.0
"""Watts that no package draws: a counter that rose faster was set back, and did not come round."""

# Not intel-rapl:0:0, a part of a package (or its memory), nor intel-rapl-mmio:0, the same again.
_ZONE = re.compile(r"intel-rapl:\d+")
# Not psys, which holds packages; nor package-0-die-1: some processors repeat one counter per die.
_PACKAGE = re.compile(r"package-\d+")


@dataclass(frozen=True)
class Look:
    """What the counters showed at one moment.

    Attributes:
        at: Seconds of a clock that only rises.
        counts: Counter of each package, in microjoules.
        busy: Seconds that all processors together have worked.
        own: Seconds that they have worked for this process.
    """

    at: float
    counts: tuple[int, ...]
    busy: float
    own: float


class PackageMeter:
    """Adds up what the packages use, from its making to the latest look.

    Attributes:
        whole: Joules of all packages, for all that ran; None if they cannot be told.
        share: The part of them that is this process's, in joules; None likewise.
    """

    def __init__(
        self,
        folder: Path | None = None,
        stat: Path | None = None,
        own: Callable[[], float] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the first look.

        Args:
            folder: Where the kernel shows its power zones; by default `POWERCAP`.
            stat: Where it shows what the processors do; by default `STAT`.
            own: Returns the seconds of the processor that this process has had.
            clock: Returns seconds that only rise.
        """
        self._stat, self._own, self._clock = stat or STAT, own or process_seconds, clock
        self._zones = find_packages(folder or POWERCAP)
        self._ranges = [_number(zone / "max_energy_range_uj") for zone in self._zones]
        self._last = self._look() if self._zones else None
        self.whole: float | None = None if self._last is None else 0.0
        self.share: float | None = self.whole

    def look(self) -> None:
        """Add what was used since the last look; a counter that fails ends it for good."""
        if self._last is None or self.whole is None or self.share is None:
            return
        before, self._last = self._last, self._look()
        joules = None if self._last is None else self._used(before, self._last)
        if joules is None or self._last is None:
            self._last = self.whole = self.share = None
            return
        busy, own = self._last.busy - before.busy, self._last.own - before.own
        self.whole += joules
        # The kernel counts busy time in hundredths of a second, and a process's more finely.
        self.share += joules * min(1.0, own / busy) if busy > 0 else 0.0

    def _look(self) -> Look | None:
        counts = [_number(zone / "energy_uj") for zone in self._zones]
        busy = busy_seconds(self._stat)
        known = tuple(count for count in counts if count is not None)
        if busy is None or len(known) < len(counts):
            return None
        return Look(self._clock(), known, busy, self._own())

    def _used(self, before: Look, after: Look) -> float | None:
        elapsed = after.at - before.at
        if elapsed > MOST_S:
            return None
        risen = [
            rise(*pair) for pair in zip(before.counts, after.counts, self._ranges, strict=True)
        ]
        known = [microjoules / 1e6 for microjoules in risen if microjoules is not None]
        if len(known) < len(risen) or any(joules > MOST_W * (elapsed + 1) for joules in known):
            return None
        return sum(known)


def find_packages(folder: Path) -> list[Path]:
    """Return the zones of the machine's packages; none if they cannot be told apart surely."""
    try:
        zones = [zone for zone in sorted(folder.iterdir()) if _ZONE.fullmatch(zone.name)]
        names = [(zone / "name").read_text(encoding="utf-8").strip() for zone in zones]
    except (OSError, UnicodeError):
        return []
    return [zone for zone, name in zip(zones, names, strict=True) if _PACKAGE.fullmatch(name)]


def rise(before: int, after: int, most: int | None) -> int | None:
    """Return how far a counter rose that begins again after `most`; None if that is not known."""
    if after >= before:
        return after - before
    return None if most is None or before > most else after + most - before


def busy_seconds(stat: Path) -> float | None:
    """Return how long all processors together have worked since the machine started, in seconds.

    Idle time, waiting for disks and time that a hypervisor gave to others are left out.
    """
    try:
        with open(stat, encoding="ascii") as file:
            word, *ticks = file.readline().split()
        user, nice, system, _, _, irq, softirq = map(int, ticks[:7])
        hertz = os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError):
        return None
    return (user + nice + system + irq + softirq) / hertz if word == "cpu" else None


def process_seconds() -> float:
    """Return the seconds of the processor that this process and its ended children have had."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
