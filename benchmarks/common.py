"""What the programs share: alternating runs, costs of commands, tables for BENCHMARKS.md."""

from __future__ import annotations

import argparse
import gc
import importlib
import math
import os
import resource
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import psutil

from transfergrid.planning.paths import PROJECT

Measured = TypeVar("Measured")


def parse(
    description: str | None,
    arguments: Sequence[str] | None = None,
    runs: int = 3,
    more: Callable[[argparse.ArgumentParser], object] | None = None,
) -> argparse.Namespace:
    """Read --runs and --quick, which means one run of a problem too small to conclude from."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=runs)
    parser.add_argument("--quick", action="store_true", help="a small problem, once: does it run?")
    if more is not None:
        more(parser)
    parsed = parser.parse_args(arguments)
    if parsed.quick:
        parsed.runs = 1
    return parsed


def peer(name: str) -> ModuleType | None:
    """Import a module that only comparisons need; say in a line what is missing without it."""
    try:
        return importlib.import_module(name)
    except ImportError:
        package = name.partition(".")[0]
        print(
            f"{package} is left out: make bench installs it (the extra bench of pyproject.toml)\n"
        )
        return None


def seconds(function: Callable[[], object]) -> float:
    """Return the seconds on the clock that a call takes."""
    gc.collect()
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def alternate(functions: Mapping[str, Callable[[], float]], runs: int) -> dict[str, float]:
    """Call functions that return a measurement in turn, `runs` times; return each one's median."""
    found = in_turns(functions, runs)
    return {name: statistics.median(values) for name, values in found.items()}


def in_turns(
    functions: Mapping[str, Callable[[], Measured]], runs: int
) -> dict[str, list[Measured]]:
    """Call functions in turn, `runs` times; return what each one returned.

    What slows the machine for a while then slows all of them.
    """
    found: dict[str, list[Measured]] = {name: [] for name in functions}
    for turn in range(runs):
        names = list(functions)
        for name in names if turn % 2 == 0 else reversed(names):
            found[name].append(functions[name]())
    return found


def heading(title: str, note: str = "") -> None:
    """Print a title, what is going to be measured, and how busy the machine is before that."""
    load = os.getloadavg()[0]
    print(f"\n## {title}\n\n{note + chr(10) * 2 if note else ''}", end="")
    print(f"({os.cpu_count()} cores, load {load:.1f})\n", flush=True)


def table(columns: Sequence[str], texts: int = 1) -> None:
    """Begin a Markdown table whose first `texts` columns are words."""
    rules = "---|" * texts + "---:|" * (len(columns) - texts)
    print(f"| {' | '.join(columns)} |\n|{rules}")


def as_share(value: float) -> str:
    """Print a share with two decimals, as ``.95``; a dash where it is not known."""
    if math.isnan(value):
        return "–"
    return f"{value + 0.0:.2f}".replace("-0.00", "0.00").replace("0.", ".")


def row(*values: object) -> None:
    """Print a row; numbers have three significant digits, None is a dash."""
    print(f"| {' | '.join(map(_word, values))} |", flush=True)


def _word(value: object) -> str:
    if value is None:
        return "–"
    if not isinstance(value, float):
        return str(value)
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"


@dataclass(frozen=True)
class Cost:
    """What a command took: seconds on the clock, seconds of the processor, MiB at its largest.

    ``own`` are the seconds of the processor of the command's own process, its children left out,
    and ``programs`` those of the Python programs among its children, by name; the last twentieth
    of a second of each is in neither.
    """

    wall: float
    cpu: float
    memory: float
    own: float = math.nan
    programs: Mapping[str, float] = field(default_factory=dict)


def run(
    command: Sequence[str | Path], folder: Path, variables: Mapping[str, str] | None = None
) -> Cost:
    """Run a command to its end; memory is that of all its processes together.

    `variables` replace some of `environment`. What it prints is in `folder`/last.log, and its end
    is shown if it fails.
    """
    start = time.perf_counter()
    with open(folder / "last.log", "wb") as log:
        process = subprocess.Popen(
            list(map(str, command)),
            cwd=folder,
            env={**environment(), **(variables or {})},
            stdout=log,
            stderr=log,
        )
        watch = Watch(process.pid)
        watch.start()
        _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    watch.join()
    if process.returncode:
        raise SystemExit((folder / "last.log").read_text()[-4000:])
    used = usage.ru_utime + usage.ru_stime
    return Cost(wall, used, watch.peak, watch.own, watch.programs)


def spent(function: Callable[[], object]) -> Cost:
    """Return what a call takes, on the clock and of the processor; its memory is not measured."""
    gc.collect()
    start, before = time.perf_counter(), _processor()
    function()
    return Cost(time.perf_counter() - start, _processor() - before, math.nan)


def _processor() -> float:
    """Return the seconds of the processor of this process and its children that have ended."""
    both = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(used.ru_utime + used.ru_stime for used in both)


def environment(project: Path = PROJECT) -> dict[str, str]:
    """Return what started programs find: one thread, the package, and its benchmarks' modules.

    `project` may be another checkout.
    """
    places = [str(project / "src"), str(project / "benchmarks"), os.environ.get("PYTHONPATH", "")]
    path = os.pathsep.join(filter(None, places))
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


class Watch(threading.Thread):
    """Looks at a process and its children until the process ends.

    Attributes:
        peak: The most memory of all of them together, in MiB.
        own: Seconds of the processor of the process itself.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.peak, self.own = pid, 0.0, math.nan
        self._names: dict[int, str] = {}
        self._seconds: dict[int, float] = {}

    @property
    def programs(self) -> dict[str, float]:
        """Seconds of the processor of the children that are Python programs, by name."""
        found: dict[str, float] = {}
        for pid, seconds in self._seconds.items():
            name = self._names[pid]
            found[name] = found.get(name, 0.0) + seconds
        return found

    def run(self) -> None:
        """Look twenty times a second."""
        try:
            process = psutil.Process(self.pid)
            while process.status() != psutil.STATUS_ZOMBIE:
                self.own = sum(process.cpu_times()[:2])
                children = process.children(recursive=True)
                sizes = [self._look(one) for one in [process, *children]]
                self.peak = max(self.peak, sum(sizes) / 2**20)
                time.sleep(0.05)
        except psutil.NoSuchProcess:
            return

    def _look(self, process: psutil.Process) -> float:
        try:
            if process.pid != self.pid:
                if not self._names.get(process.pid):
                    self._names[process.pid] = _program(process.cmdline())
                if self._names[process.pid]:
                    self._seconds[process.pid] = sum(process.cpu_times()[:2])
            return float(process.memory_info().rss)
        except psutil.NoSuchProcess:
            return 0.0


def _program(command: Sequence[str]) -> str:
    """Return the name of the Python program that a command runs, or an empty string."""
    files = [word for word in command[:4] if word.endswith(".py")]
    return Path(files[0]).stem if files and "python" in Path(command[0]).name else ""


def median(costs: Sequence[Cost]) -> Cost:
    """Return the median of each number."""
    columns = zip(*((cost.wall, cost.cpu, cost.memory, cost.own) for cost in costs), strict=True)
    return Cost(*(statistics.median(column) for column in columns))


def forget(paths: Iterable[Path]) -> None:
    """Have the kernel drop what it holds of files in memory, as after a start of the machine."""
    for path in paths:
        with open(path, "rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
