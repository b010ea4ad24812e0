"""What a film counts in a metric of masks where one of its masks is empty, or both are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

STATES = {"missed": "missed", "false_alarm": "false alarm", "both_empty": "both empty"}
"""Columns of mask_states.csv, as readers call them."""
DIAGONAL = "the image's diagonal"
LEFT_OUT = "left out"
POOLED = "_pooled"
_OF_FUNCTION = "transfergrid.metrics.mask_metrics:"
_VALUES = {
    "dice": ("0", "0", "1"),
    "iou": ("0", "0", "1"),
    "pixel_sensitivity": ("0", "1", "1"),
    "pixel_precision": ("0", "0", "1"),
    "surface_dice": ("0", "0", "1"),
    "hd95": (DIAGONAL, DIAGONAL, "0"),
}
"""By measure the value of a film in each of `STATES`."""


def values_of(metric: Mapping[str, Any]) -> dict[str, str]:
    """Return by state of `STATES` what a film counts in a metric, as text.

    Args:
        metric: Its declaration, with ``function`` and ``settings``.

    Returns:
        Nothing of a metric that is not one of masks, or that pools the pixels of all films.
    """
    found = _VALUES.get(_name_of(metric).removesuffix("_by_film"))
    if found is None:
        return {}
    values = dict(zip(STATES, found, strict=True))
    if metric["settings"].get("empty") == "skip":
        values["both_empty"] = LEFT_OUT
    return values


def is_pooled(metric: Mapping[str, Any]) -> bool:
    """Tell whether a metric counts the pixels of all films' masks together."""
    name = _name_of(metric)
    return name.endswith(POOLED) and name.removesuffix(POOLED) in _VALUES


def _name_of(metric: Mapping[str, Any]) -> str:
    function = str(metric["function"])
    return function.removeprefix(_OF_FUNCTION) if function.startswith(_OF_FUNCTION) else ""
