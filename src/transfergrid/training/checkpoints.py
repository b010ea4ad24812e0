"""The best checkpoints of a training by validation score, and the last one.

Tensors that never learn are the same in all of them, and are stored once beside them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from transfergrid.planning.records import FROZEN
from transfergrid.runtime.atomic import replacing, write_json

INDEX = "index.json"


@dataclass(frozen=True)
class Kept:
    """A kept checkpoint.

    Attributes:
        file: Name of its file in the folder of checkpoints.
        step: Optimiser steps done when it was taken.
        valid_score: The primary metric on the validation split, or None if undefined.
    """

    file: str
    step: int
    valid_score: float | None


def rank(kept: Kept, sign: float) -> tuple[float, int]:
    """Return a key that sorts the best first; a tie goes to the earlier, None comes last.

    Args:
        kept: A checkpoint.
        sign: 1 if a higher score is better, -1 if a lower one is.
    """
    return (math.inf if kept.valid_score is None else -sign * kept.valid_score), kept.step


class Checkpoints:
    """The folder of a cell's checkpoints: the `best` best ones and the last; with 0, none at all.

    A file that drops out of the ranking stays until `prune`, which the caller runs once no state
    on disk refers to it any more.
    """

    def __init__(
        self,
        folder: Path,
        best: int,
        metric: str = "",
        sign: float = 1.0,
        frozen: Set[str] = frozenset(),
    ) -> None:
        """Open `folder` to keep the `best` best by a metric.

        Args:
            folder: Where checkpoints are.
            best: How many are kept.
            metric: Name of the metric.
            sign: -1 if a lower score is better.
            frozen: Names of the tensors that never learn.
        """
        self.folder, self.best, self.metric, self.sign = folder, best, metric, sign
        self.frozen = frozen
        self.kept: list[Kept] = []

    def offer(self, weights: Mapping[str, Tensor], step: int, score: float, last: bool) -> None:
        """Save the weights if they are among the best so far, or the last of the training.

        Args:
            weights: The network's state, on any device.
            step: Optimiser steps done.
            score: The validation's value of the primary metric, or NaN.
            last: Whether training ends here.
        """
        if self.best == 0:
            return
        new = Kept(f"step-{step:08d}.safetensors", step, None if math.isnan(score) else score)
        best = sorted([*self.kept, new], key=self._rank)[: self.best]
        if new not in best and not last:
            return
        if self.frozen and not (self.folder / FROZEN).exists():
            self._save(FROZEN, {name: weights[name] for name in self.frozen})
        learned = {name: part for name, part in weights.items() if name not in self.frozen}
        self._save(new.file, learned)
        self.kept = sorted({*best, new} if last else best, key=lambda kept: kept.step)

    def _save(self, file: str, weights: Mapping[str, Tensor]) -> None:
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
        with replacing(self.folder / file) as temporary:
            save_file(tensors, temporary)

    def files(self) -> list[str]:
        """Return the names of the files that hold the kept checkpoints."""
        shared = [FROZEN] if self.kept and self.frozen else []
        return [*shared, *(kept.file for kept in self.kept)]

    def index(self) -> dict[str, Any]:
        """Return the content of index.json; `best` and `last` are file names or None."""
        return {
            "metric": self.metric,
            "best": min(self.kept, key=self._rank).file if self.kept else None,
            "last": max(self.kept, key=lambda kept: kept.step).file if self.kept else None,
            "checkpoints": [vars(kept) for kept in self.kept],
        }

    def _rank(self, kept: Kept) -> tuple[float, int]:
        return rank(kept, self.sign)

    def clear(self) -> None:
        """Forget all checkpoints."""
        self.kept = []

    def prune(self) -> None:
        """Write index.json and remove every file that it does not name."""
        write_json(self.folder / INDEX, self.index())
        named = {INDEX, *self.files()}
        for path in self.folder.iterdir():
            if path.name not in named:
                path.unlink()
