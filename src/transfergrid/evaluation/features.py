"""Stored features of a data set: what a frozen network makes of its images, computed once.

They lie in results/features/<id>, a file for each file of images in the cache, row for row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from transfergrid.data.stacked import Stacked, stacked
from transfergrid.data.store import Card, Split
from transfergrid.planning.paths import features_directory
from transfergrid.planning.prefix import Prefix
from transfergrid.planning.records import read_receipt
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.verified import Verification


@dataclass(frozen=True)
class Features:
    """The features of a data set's images in one frozen network.

    Attributes:
        folder: Where they lie.
        prefix: Where the network was cut.
        content_sha256: Of the images that they were made from, as on the card of their cache.
        source_sha256: Of the checkpoint of the source cell, or None if there is no such cell.
        files: SHA-256 by file name.
    """

    folder: Path
    prefix: Prefix
    content_sha256: str
    source_sha256: str | None
    files: Mapping[str, str]

    @classmethod
    def of(cls, features_id: str, results: Path, card: Card) -> Features:
        """Read the receipt of stored features.

        Args:
            features_id: Their id.
            results: The folder of all outputs.
            card: The card of the data set's cache.

        Raises:
            UserError: There is none, it is damaged, or they were made from other images.
        """
        folder = features_directory(features_id, results)
        receipt = read_receipt(folder, _mend(folder))
        if receipt["content_sha256"] != card.content_sha256:
            raise UserError(
                f"{folder} was made from other images than those in the cache; {_mend(folder)}."
            )
        prefix = Prefix(**receipt["prefix"])
        about = (prefix, receipt["content_sha256"], receipt["source_sha256"])
        return cls(folder, *about, receipt["files"])

    def made_with(self, proof: Mapping[str, Any]) -> bool:
        """Tell whether the initial weights in a cell's proof are those that made the features.

        A source cell that was trained again, such as on another device, may have other weights.
        """
        return self.source_sha256 == (proof["sha256"] if proof["source"] == "cell" else None)

    def check(self, proof: Mapping[str, Any]) -> None:
        """Refuse features that were made with other weights than a cell starts from.

        Args:
            proof: What `transfergrid.models.initial.initial_model` returned.

        Raises:
            UserError: The source cell was trained again since.
        """
        if not self.made_with(proof):
            raise UserError(
                f"{self.folder} was made with other weights than cell {proof['cell']} has now, "
                f"which was trained again; {_mend(self.folder)}."
            )

    def rows_of(self, split: Split, closed: str | None = None) -> npt.NDArray[Any] | Stacked:
        """Map the features of a split's images, and open no other file.

        Args:
            split: A split as `open_split` returns it.
            closed: The file of the images that a training is tested on.

        Returns:
            (N, C) or (N, H, W, C) float32, read-only.

        Raises:
            UserError: They would be read from the closed file, or do not fit the images.
        """
        if closed in split.files:
            raise UserError(
                f"features of training were looked for in {self.folder / str(closed)}, which the "
                "cell is tested on; no training opens that."
            )
        try:
            maps = [
                np.load(self.folder / name, mmap_mode="r", allow_pickle=False)
                for name in split.files
            ]
        except (OSError, ValueError) as error:
            raise UserError(
                f"{self.folder} cannot be read ({error}); {_mend(self.folder)}."
            ) from None
        if any(
            rows.max(initial=-1) >= len(stored)
            for rows, stored in zip(split.rows, maps, strict=True)
        ):
            raise UserError(f"{self.folder} does not fit its images; {_mend(self.folder)}.")
        return stacked(maps, split.rows)

    def verify(self, names: Iterable[str]) -> Verification:
        """Start to compare some of the files with what was written."""
        files = {name: self.files.get(name) for name in dict.fromkeys(names)}
        return Verification(self.folder, files, _mend(self.folder))


def _mend(folder: Path) -> str:
    return f"remove {folder} and run snakemake again, which makes the features again"
