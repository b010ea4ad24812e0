"""A reader of cells whose scores are made up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from numpy.typing import ArrayLike

from transfergrid.metrics.influence import Influence


def reader_of(
    entries: Sequence[Mapping[str, Any]],
    runs: Mapping[str, Influence],
    draws: Mapping[str, ArrayLike],
    studies: int = 0,
) -> Any:
    """Return what `Reader` would be for these entries.

    Args:
        entries: Cells as a study's stamp holds them.
        runs: By cell its score with the patients' contributions.
        draws: By cell its replicates.
        studies: Studies that every cell is scored on.
    """
    return SimpleNamespace(
        primary="best",
        entries={entry["cell"]: entry for entry in entries},
        targets=list(entries),
        influence=lambda cell, selection=None, metric=None: (runs[cell], studies),
        replicates=lambda cell, metric=None: draws[cell],
        metric_of=lambda dataset, name=None: {"name": name or "auroc"},
    )
