"""Stored activations of a state: a file for each layer, and whose they are; read as written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transfergrid.evaluation.archives import parse_array, read_arrays
from transfergrid.planning.paths import activations_directory
from transfergrid.planning.records import RECEIPT, read_receipt
from transfergrid.runtime.sealed import write_sealed
from transfergrid.runtime.verified import read_verified

ROWS = "rows.npz"
"""Image, patient and position of each row."""


@dataclass(frozen=True)
class Layer:
    """One layer's activations.

    Attributes:
        name: See `transfergrid.planning.layers`.
        channels: Columns of its file.
        height: Height of its map; 1 for pooled features.
        width: Width of its map.
        positions: Rows of each image.
        short: Whether there are fewer than ten rows for each channel.
    """

    name: str
    channels: int
    height: int
    width: int
    positions: int
    short: bool

    @property
    def file(self) -> str:
        """Its file: (images * positions, channels) float32, the rows of an image together."""
        return f"{self.name}.npy"


@dataclass(frozen=True)
class Activations:
    """The stored activations of a state.

    Attributes:
        folder: Where they lie.
        status: "finished", or "diverged" if there are none.
        images: The split whose images were seen.
        layers: The layers by name, in the network's order.
        files: SHA-256 by file name.
    """

    folder: Path
    status: str
    images: str
    layers: Mapping[str, Layer]
    files: Mapping[str, str]

    @classmethod
    def of(cls, state_id: str, results: Path) -> Activations:
        """Read the receipt of a state's activations.

        Raises:
            UserError: There is none, or it is damaged.
        """
        folder = activations_directory(state_id, results)
        receipt = read_receipt(folder, _mend(folder))
        layers = {values["name"]: Layer(**values) for values in receipt["layers"]}
        return cls(folder, receipt["status"], receipt["images"], layers, receipt["files"])

    def values(self, layer: str) -> NDArray[np.float32]:
        """Read a layer's (n, C) activations.

        Raises:
            UserError: The file is not what was written.
        """
        path, mend = self.folder / self.layers[layer].file, _mend(self.folder)

        def parse(data: bytes) -> NDArray[np.float32]:
            return parse_array(path, mend, data)

        return read_verified(path, self.files.get(path.name), parse, mend)

    def patients(self, layer: str) -> NDArray[np.str_]:
        """Return (n,) the patient of each row of a layer."""
        patients: NDArray[np.str_] = np.repeat(
            self._rows["patient_id"], self.layers[layer].positions
        )
        return patients

    @property
    def n_images(self) -> int:
        """How many images were seen."""
        return len(self._rows["image_id"])

    @property
    def n_patients(self) -> int:
        """Of how many patients."""
        return len(np.unique(self._rows["patient_id"]))

    def same_rows(self, other: Activations) -> bool:
        """Tell whether another state saw the same images at the same positions."""
        return self.files.get(ROWS) == other.files.get(ROWS)

    @cached_property
    def _rows(self) -> dict[str, NDArray[Any]]:
        path, mend = self.folder / ROWS, _mend(self.folder)

        def parse(data: bytes) -> dict[str, NDArray[Any]]:
            return read_arrays(path, mend, data=data)

        return read_verified(path, self.files.get(ROWS), parse, mend)


def write_receipt(folder: Path, values: Mapping[str, Any]) -> None:
    """Write the receipt of a state's activations, after everything else."""
    write_sealed(folder / RECEIPT, values)


def _mend(folder: Path) -> str:
    return f"remove {folder} and run snakemake again, which stores the activations again"
