"""What the study cost, from costs.csv: hours of training by device, all jobs, energy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from transfergrid.planning.recipe import Recipe
from transfergrid.planning.speeds import COLUMNS, Speed, number_format, speed_of
from transfergrid.reporting.records import CellRecord
from transfergrid.reporting.tables.costs import is_gpu
from transfergrid.reporting.words import count, hours, known, plural

if TYPE_CHECKING:
    import pandas as pd

_Place = tuple[str, str, int, str, int | None]
"""Device, network, side of the images, precision and images at once."""

_METERED = {
    "gpu": ("GPUs", "A GPU's is the power of its whole board, read every 5 s."),
    "cpu": (
        "processors",
        "A processor's is what its packages used, for whatever ran on them, times the job's share "
        "of the busy processor time: an estimate.",
    ),
}
"""What energy is of, and what it is, by how its columns begin."""


@dataclass(frozen=True)
class Cost:
    """Trainings of one role on one device.

    Attributes:
        role: What they are: cells of the grid, sources or learning-rate trials.
        device: The device's name.
        trainings: How many there were.
        seconds: Their time together.
    """

    role: str
    device: str
    trainings: int
    seconds: float

    @property
    def gpu(self) -> bool:
        """Whether these are GPU-hours."""
        return is_gpu(self.device)


def costs(table: pd.DataFrame) -> list[Cost]:
    """Return the trainings behind a study by role and device, from costs.csv."""
    ran = table[(table["stage"] == "train") & (table["trained"] > 0)]
    return [
        Cost(str(row["role"]), str(row["device"]), int(row["trained"]), float(row["train_seconds"]))
        for row in ran.to_dict("records")
    ]


def totals(found: Sequence[Cost]) -> list[tuple[str, str]]:
    """Return (hours, what) for GPUs and for CPUs, those that took part."""
    pairs = []
    for gpu, word in ((True, "GPU-hours"), (False, "CPU-hours")):
        part = [cost for cost in found if cost.gpu == gpu]
        if part:
            spent = hours(sum(cost.seconds for cost in part)).removesuffix(" h")
            pairs.append((spent, word))
    return pairs


def sentence(found: Sequence[Cost], stored: bool = False) -> str:
    """Say what was counted.

    Args:
        found: What the trainings cost.
        stored: Whether any was on stored features.
    """
    if not found:
        return "What the trainings cost was not recorded."
    number = sum(cost.trainings for cost in found)
    told = " and ".join(f"{value} {word}" for value, word in totals(found))
    return (
        f"{told} of training in {plural(number, 'job')}, each on one device, validations included. "
        f"What an interrupted job lost is not counted, nor are preparing data, "
        f"{'computing features of frozen layers, ' if stored else ''}scoring, tables and figures. "
        "A CPU-hour is an hour of a job, whatever its number of threads."
    )


@dataclass(frozen=True)
class CostRow:
    """A row of costs.csv in words; what is not known is a dash.

    Attributes:
        what: The stage, and of trainings what they are of, and their device.
        jobs: How many jobs there are, and how many of them were measured.
        hours: Hours on the clock.
        cpu_hours: Hours of the processor.
        peak: Most memory of one job.
        trained: Hours of training by the trainings' own account.
        gpu_peak: Most memory of a GPU.
        energies: Energy of the processor and of the GPU, and how many jobs it is of.
    """

    what: str
    jobs: str
    hours: str
    cpu_hours: str
    peak: str
    trained: str
    gpu_peak: str
    energies: tuple[str, str]


def cost_rows(table: pd.DataFrame) -> list[CostRow]:
    """Return costs.csv for the page."""
    return [_row(row) for row in table.to_dict("records")]


def _row(row: Mapping[Any, Any]) -> CostRow:
    jobs, measured = count(row["jobs"]), count(row["measured"])
    parts = (row["stage"], row["role"], row["device"])
    return CostRow(
        what=", ".join(str(part) for part in parts if known(part)),
        jobs=jobs if jobs == measured else f"{jobs}, {measured} measured",
        hours=hours(row["seconds"]),
        cpu_hours=hours(row["cpu_seconds"]),
        peak=_size(row["peak_mb"], "MB"),
        trained=hours(row["train_seconds"]),
        gpu_peak=_size(row["gpu_peak_mb"], "MiB"),
        energies=(_energy(row, "cpu"), _energy(row, "gpu")),
    )


def watt_hours(value: Any) -> str:
    """Print watt-hours as ``0.12 Wh``, ``34 Wh`` or ``5.6 kWh``; NaN and None as a dash."""
    if not known(value):
        return count(value)
    found = float(value)
    shown, unit = (found / 1000, "kWh") if found >= 999.5 else (found, "Wh")
    return f"{count(shown) if shown >= 99.5 else format(shown, '.2g')} {unit}"


def _energy(row: Mapping[Any, Any], what: str) -> str:
    told, metered = watt_hours(row[f"{what}_wh"]), row[f"{what}_metered"]
    return told if not metered or metered == row["jobs"] else f"{told} ({plural(metered, 'job')})"


def energy_sentence(table: pd.DataFrame) -> str:
    """Say how much energy was recorded, and what that is; an empty string where none was."""
    metered = {what: table[f"{what}_metered"].sum() for what in _METERED}
    told = [what for what in _METERED if metered[what]]
    if not told:
        return ""
    parts = " and ".join(
        f"{watt_hours(table[f'{what}_wh'].sum())} by {_METERED[what][0]} in "
        f"{plural(metered[what], 'job')}"
        for what in told
    )
    meant = " ".join(_METERED[what][1] for what in told)
    return (
        f"Energy was recorded of trainings and scorings: {parts}. {meant} Memory modules, disks, "
        "cooling and power supplies are not in it, nor are attempts that were killed."
    )


def _size(value: Any, unit: str) -> str:
    return f"{count(value)} {unit}" if known(value) else count(value)


@dataclass(frozen=True)
class Compared:
    """Trainings of one whole network beside what the benchmark says of their device and batch.

    Attributes:
        network: The network.
        px: Side of the images.
        precision: ``fp32`` or ``bf16``.
        trainings: How many there were.
        rate: The median of their images per second, steps only.
        benchmark: The benchmark's row.
    """

    network: str
    px: int
    precision: str
    trainings: int
    rate: float
    benchmark: Speed


def against_benchmark(
    records: Iterable[CellRecord], rows: Iterable[Sequence[str]]
) -> list[Compared]:
    """Return the trainings that resources/gpu_speed.csv has a row for.

    Args:
        records: What lies in the cells' folders.
        rows: Cells of the CSV's rows, as the study's JSON holds them.
    """
    speeds = [speed_of(dict(zip(COLUMNS, row, strict=True))) for row in rows]
    if not speeds:
        return []
    listed: dict[_Place, Speed] = {
        (s.device, s.architecture, s.px, number_format(s.precision), s.batch): s for s in speeds
    }
    rates: dict[_Place, list[float]] = {}
    for record in records:
        place = _place(record)
        if place in listed:
            rates.setdefault(place, []).append(float(record.train["images_per_second"]))
    return [
        Compared(place[1], place[2], place[3], len(found), median(found), listed[place])
        for place, found in rates.items()
    ]


def _place(record: CellRecord) -> _Place | None:
    """Return what the benchmark knows a training by, or None for one that it does not cover."""
    spec, train = record.spec, record.train
    if not spec or not known(train.get("images_per_second")) or spec["cell"]["truncation"]:
        return None
    if Recipe.from_dict(spec["recipe"]).layers != "all":
        return None
    precision = number_format(str(train.get("precision")))
    px = int(spec["architecture"]["input_px"])
    network, batch = spec["cell"]["architecture"], train.get("micro_batch")
    return str(train.get("device")), network, px, precision, batch
