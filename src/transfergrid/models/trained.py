"""A trained cell's files, compared with the training's receipt as they are read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from transfergrid.planning.records import FROZEN, KEPT, TRAINED, restore
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.sealed import read_sealed
from transfergrid.runtime.verified import broken, load_verified, read_verified


@dataclass(frozen=True)
class Trained:
    """What training left in a cell's folder.

    Attributes:
        folder: The cell's folder.
        status: "finished" or "diverged".
        files: SHA-256 by the name of each file.
    """

    folder: Path
    status: str
    files: Mapping[str, str]

    @classmethod
    def of(cls, folder: Path) -> Trained:
        """Read a cell's receipt; a lost record is restored from its copy.

        Raises:
            UserError: There is no receipt, it is damaged, or a file that it names is gone.
        """
        try:
            receipt = read_sealed(folder / TRAINED, _mend(folder))
        except OSError:
            raise UserError(
                f"{folder / TRAINED} is missing; train cell {folder.name} first."
            ) from None
        return cls.by(folder, receipt)

    @classmethod
    def by(cls, folder: Path, receipt: Mapping[str, Any]) -> Trained:
        """Return what a receipt describes; a lost record is restored from its copy.

        Raises:
            UserError: A file that it names is gone.
        """
        found = cls(folder, str(receipt["status"]), receipt["files"])
        for name, expected in found.files.items():
            if (folder / name).is_file():
                continue
            if name not in KEPT:
                raise broken(folder / name, None, expected, _mend(folder))
            restore(folder, name)
        return found

    def json(self, name: str) -> dict[str, Any]:
        """Read a JSON file.

        Raises:
            UserError: It is not the file that training left.
        """
        return read_verified(
            self.folder / name,
            self.files.get(name),
            lambda data: dict(json.loads(data)),
            _mend(self.folder),
        )

    def checkpoints(self) -> list[dict[str, Any]]:
        """Return file, step and valid_score of each kept checkpoint, earliest first."""
        return list(self._index()["checkpoints"])

    def best(self) -> str | None:
        """Return the checkpoint file with the best validation score; None if there is none."""
        return self._index().get("best") or None

    def tensors(self, file: str) -> dict[str, Tensor]:
        """Read a checkpoint onto the CPU, with what never learned.

        Raises:
            UserError: A file is not what training left.
        """
        return {**self._frozen, **self.learned(file)}

    def learned(self, file: str) -> dict[str, Tensor]:
        """Read onto the CPU what a checkpoint has of its own: the tensors that learned.

        Raises:
            UserError: It is not the file that training left.
        """
        name = f"checkpoints/{file}"
        path, mend = self.folder / name, _mend(self.folder)
        return load_verified(path, self.files.get(name), load_file, mend)

    def bytes_of(self, file: str) -> int:
        """Return the size of a checkpoint with what never learned."""
        names = (file, FROZEN) if f"checkpoints/{FROZEN}" in self.files else (file,)
        return sum((self.folder / "checkpoints" / name).stat().st_size for name in names)

    @cached_property
    def _frozen(self) -> dict[str, Tensor]:
        return self.learned(FROZEN) if f"checkpoints/{FROZEN}" in self.files else {}

    def _index(self) -> dict[str, Any]:
        return self.json("checkpoints/index.json")


def _mend(folder: Path) -> str:
    return f"remove {folder / TRAINED} and run snakemake again, which trains the cell again"
