"""What benchmarks/gpu.py measured about GPUs, if somebody ran it."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from functools import cache
from pathlib import Path

from transfergrid.planning.paths import RESOURCES
from transfergrid.runtime.errors import UserError

SPEEDS = "gpu_speed.csv"
FEEDS = ("resident batches", "streamed batches", "augmentation")
"""Modes of the rows without a network: what comes before a step, measured alone."""


@dataclass(frozen=True)
class Speed:
    """One row.

    Attributes:
        device: The GPU's name as PyTorch gives it.
        architecture: The network, whole; empty for what comes before a step.
        px: Side of the images.
        precision: ``tf32`` (float32 with TF32 convolutions), ``bf16``, or empty.
        layout: ``NCHW`` or ``channels_last``, or empty.
        mode: ``eager``, ``compile`` or one of `FEEDS`.
        images_per_second: In training steps only.
        peak_memory_mb: Most memory that PyTorch held, in MiB, or None.
        torch: Version of PyTorch.
        date: Day of the measurement.
        batch: Images per step.
    """

    device: str
    architecture: str
    px: int
    precision: str
    layout: str
    mode: str
    images_per_second: float
    peak_memory_mb: float | None
    torch: str
    date: str
    batch: int

    @property
    def measurement(self) -> tuple[str, str, int, str, str, str]:
        """What was measured, and on what."""
        return (
            *(self.device, self.architecture, self.px),
            *(self.precision, self.layout, self.mode),
        )

    def cells(self) -> tuple[str, ...]:
        """Return the row as text."""
        return tuple(
            "" if value is None else f"{value:.1f}" if isinstance(value, float) else str(value)
            for value in astuple(self)
        )


COLUMNS = tuple(field.name for field in fields(Speed))


def read_speeds(path: Path) -> list[Speed]:
    """Read the CSV; no file gives no rows.

    Raises:
        UserError: A column is missing, or something is not a number.
    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            return [speed_of(row) for row in csv.DictReader(file)]
    except FileNotFoundError:
        return []
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path} is not a table from benchmarks/gpu.py ({error}): it needs the columns "
            f"{', '.join(COLUMNS)}; run the program again or remove the file."
        ) from None


def speed_of(row: Mapping[str, str]) -> Speed:
    """Return a row from its text by column."""
    peak = row["peak_memory_mb"]
    return Speed(
        **{name: row[name] for name in ("device", "architecture", "precision", "layout", "mode")},
        **{name: row[name] for name in ("torch", "date")},
        px=int(row["px"]),
        images_per_second=float(row["images_per_second"]),
        peak_memory_mb=float(peak) if peak else None,
        batch=int(row["batch"]),
    )


@cache
def benchmarked() -> tuple[Speed, ...]:
    """Return the rows for what trainings on GPUs do: whole networks, eager, in channels_last."""
    rows = [row for row in read_speeds(RESOURCES / SPEEDS) if row.device != "cpu"]
    return tuple(row for row in rows if (row.mode, row.layout) == ("eager", "channels_last"))


def number_format(precision: str) -> str:
    """Return a recipe's name for a precision that train.json or the benchmark names."""
    return "bf16" if precision == "bf16" else "fp32"
