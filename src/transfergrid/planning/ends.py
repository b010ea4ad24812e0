"""The two ends of a training, as whatever measures trained weights names them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transfergrid.planning.paths import RESULTS

INITIAL, SOURCE = "initial", "source"
"""What a layer can be put back to: the cell's own start, or the weights that it is derived from."""
_DERIVING = ("keep", "derive")
"""Keys of a specification's ``weights`` that say what is kept of released or trained weights."""


def underived(weights: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the weights that a cell's initial weights are derived from.

    Args:
        weights: ``weights`` of its specification.

    Returns:
        The same without what is kept of them; None if all of them are, if they are drawn, or if
        they are of another network, as those of a slim one.
    """
    if (weights.get("derive") or {}).get("base"):
        return None
    whole = {key: value for key, value in weights.items() if key not in _DERIVING}
    return whole if len(whole) < len(weights) else None


def weighings_directory(weighing_id: str, results: Path = RESULTS) -> Path:
    """Return the folder of what was measured on a cell's weights."""
    return results / "weighings" / weighing_id
