"""What was measured on a cell's weights: a receipt with its files, read as written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transfergrid.evaluation.archives import read_arrays
from transfergrid.evaluation.scores import Scores, read_scores
from transfergrid.planning.ends import weighings_directory
from transfergrid.planning.records import RECEIPT, read_receipt
from transfergrid.runtime.sealed import write_sealed
from transfergrid.runtime.verified import load_verified, read_verified

FILTERS, RESETS = "filters.npz", "resets.npz"


@dataclass(frozen=True)
class Filters:
    """The first convolution's filters, at both ends of a training.

    Attributes:
        before: (O, I, h, w) float32, the weights at the start.
        after: The same of the best checkpoint.
    """

    before: NDArray[np.float32]
    after: NDArray[np.float32]


@dataclass(frozen=True)
class Measured:
    """What a job that measures weights has left.

    Attributes:
        folder: Where it lies.
        status: See `transfergrid.models.retraced`; nothing was measured unless "finished".
        values: What the stage says: ``drift``, a mapping for each row; or ``variants``, the
            networks whose scores are stored, and ``not_finite``, those that have none.
        files: SHA-256 by file name.
    """

    folder: Path
    status: str
    values: Mapping[str, Any]
    files: Mapping[str, str]

    @classmethod
    def of(cls, weighing_id: str, results: Path) -> Measured:
        """Read the receipt of a weighing.

        Raises:
            UserError: There is none, or it is damaged.
        """
        folder = weighings_directory(weighing_id, results)
        receipt = read_receipt(folder, _mend(folder))
        return cls(folder, receipt["status"], receipt, receipt["files"])

    def filters(self) -> Filters | None:
        """Return the first convolution's filters; None if the network has none.

        Raises:
            UserError: The file is not what was written.
        """
        if FILTERS not in self.files:
            return None
        path, mend = self.folder / FILTERS, _mend(self.folder)

        def parse(data: bytes) -> Filters:
            return Filters(**read_arrays(path, mend, ("before", "after"), data))

        return read_verified(path, self.files[FILTERS], parse, mend)

    def scores(self) -> Scores:
        """Return the scores of a network with single layers put back.

        They are those of a cell, with a variant in the place of a checkpoint.

        Raises:
            UserError: The file is not what was written.
        """
        path, mend = self.folder / RESETS, _mend(self.folder)

        def load(path: Path) -> Scores:
            return read_scores(path, mend)

        return load_verified(path, self.files.get(RESETS), load, mend)


def write_measured(folder: Path, values: Mapping[str, Any]) -> None:
    """Write the receipt of a weighing, after everything else."""
    write_sealed(folder / RECEIPT, values)


def _mend(folder: Path) -> str:
    return f"remove {folder} and run snakemake again, which measures the weights again"
