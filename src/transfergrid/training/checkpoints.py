"""The best checkpoints of a training by validation score, and the last one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

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

    def __init__(self, folder: Path, best: int, metric: str = "", sign: float = 1.0) -> None:
        """Open `folder` to keep the `best` best by a metric; `sign` is -1 if lower is better."""
        self.folder, self.best, self.metric, self.sign = folder, best, metric, sign
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
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
        with replacing(self.folder / new.file) as temporary:
            save_file(tensors, temporary)
        self.kept = sorted({*best, new} if last else best, key=lambda kept: kept.step)

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
        named = {INDEX, *(kept.file for kept in self.kept)}
        for path in self.folder.iterdir():
            if path.name not in named:
                path.unlink()
