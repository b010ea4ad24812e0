"""What was measured of the masks that a cell's selections mark: a receipt and a file of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from transfergrid.evaluation.archives import read_arrays, write_arrays
from transfergrid.metrics.mask_record import AT_TOLERANCE, COUNTS, OUTLINES
from transfergrid.planning.ends import weighings_directory
from transfergrid.planning.records import RECEIPT, read_receipt
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import sha256_file
from transfergrid.runtime.sealed import write_sealed
from transfergrid.runtime.verified import read_verified

FILE = "masks.npz"


@dataclass(frozen=True)
class Compared:
    """Masks that selections mark on the test films of a cell, compared with the true ones.

    Attributes:
        image_id: (N,) str.
        rows: By selection (N, T, K) float64, rows of `transfergrid.metrics.mask_record.pack`; NaN
            of a cell that diverged.
        checkpoints: By selection the number of its checkpoints; 0 of a cell that diverged.
        numbers: Names of the K numbers.
        unit: What distances are in, "px" or "mm"; empty where none is measured.
        scored_at: Whether masks were compared at the size of the "cache" or of the "film".
    """

    image_id: NDArray[np.str_]
    rows: Mapping[str, NDArray[np.float64]]
    checkpoints: Mapping[str, int]
    numbers: tuple[str, ...]
    unit: str
    scored_at: str = "cache"


def number_names(tolerances: Sequence[float] | None) -> tuple[str, ...]:
    """Return the names of the numbers of a film and structure.

    Args:
        tolerances: Those at which outlines are compared; None where outlines are not.
    """
    if tolerances is None:
        return COUNTS
    groups = range(1, len(tolerances) + 1)
    return (*COUNTS, *OUTLINES, *(f"{name}{n}" for n in groups for name in AT_TOLERANCE))


def write_compared(folder: Path, compared: Compared) -> None:
    """Write the numbers, then the receipt."""
    arrays = {f"rows_{name}": rows for name, rows in compared.rows.items()}
    write_arrays(folder / FILE, {"image_id": compared.image_id, **arrays})
    receipt = {
        "files": {FILE: sha256_file(folder / FILE)},
        "checkpoints": dict(compared.checkpoints),
        "numbers": list(compared.numbers),
        "unit": compared.unit,
        "scored_at": compared.scored_at,
    }
    write_sealed(folder / RECEIPT, receipt)


def read_compared(outlines_id: str, results: Path) -> Compared:
    """Read what was measured of a cell's masks.

    Raises:
        UserError: There is no receipt, or a file is not what was written.
    """
    folder = weighings_directory(outlines_id, results)
    mend = f"remove {folder} and run snakemake again, which compares the masks again"
    receipt, path = read_receipt(folder, mend), folder / FILE
    checkpoints: dict[str, int] = receipt["checkpoints"]
    names = ("image_id", *(f"rows_{name}" for name in checkpoints))
    arrays = read_verified(
        path, receipt["files"].get(FILE), lambda data: read_arrays(path, mend, names, data), mend
    )
    rows = {name: arrays[f"rows_{name}"] for name in checkpoints}
    numbers = tuple(receipt["numbers"])
    how = receipt["unit"], receipt["scored_at"]
    return Compared(arrays["image_id"], rows, checkpoints, numbers, *how)


def receipt_sha256(outlines_id: str, results: Path) -> str:
    """Return the SHA-256 of a measurement's receipt, which names what it is of.

    Raises:
        UserError: There is none.
    """
    path = weighings_directory(outlines_id, results) / RECEIPT
    if not path.is_file():
        raise UserError(f"{path} is missing: run snakemake again, which compares the masks.")
    return sha256_file(path)
