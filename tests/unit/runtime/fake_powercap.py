"""The kernel's files on the energy and the work of processors, in the layout that it describes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

RANGE = 262_143_328_850
"""Microjoules at which counters of many Intel processors begin again."""


@dataclass
class Kernel:
    """Its two places, whose ticks are hundredths of a second, and what a process has had in s."""

    powercap: Path
    stat: Path
    own: float = 0.0

    def zone(self, place: str, name: str, count: int = 0, most: int | None = RANGE) -> Path:
        folder = self.powercap / place
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "name").write_text(f"{name}\n")
        (folder / "energy_uj").write_text(f"{count}\n")
        if most is not None:
            (folder / "max_energy_range_uj").write_text(f"{most}\n")
        return folder

    def count(self, place: str, microjoules: int) -> None:
        (self.powercap / place / "energy_uj").write_text(f"{microjoules}\n")

    def work(self, *ticks: int) -> None:
        """Tell user, nice, system, idle, iowait, irq, softirq, steal, guest, guest_nice."""
        self.stat.write_text(f"cpu  {' '.join(map(str, ticks))}\ncpu0 1 2 3 4 5 6 7 8 9 0\n")


def kernel(folder: Path) -> Kernel:
    """Return a machine that has worked for nothing yet, without power zones."""
    made = Kernel(folder / "powercap", folder / "stat")
    made.powercap.mkdir()
    made.work(*[0] * 10)
    return made
